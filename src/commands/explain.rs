//! `toolgate policy explain`: why a caller may have something or may not.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_USAGE, print, say};
use crate::cel::Facts;
use crate::gateway::now;
use crate::json::{JsonFlaw, Reader};
use crate::policy::Kind;
use crate::policy::review::explain;
use crate::report::explained;
use crate::settings::args::ExplainArgs;
use crate::token::{Granted, Issuer, MAX_TOKEN, granted};

/// Prints the explanation to standard output.
pub(super) fn run(args: &ExplainArgs) -> ExitCode {
    let things = [
        (Kind::Tool, &args.tool),
        (Kind::Prompt, &args.prompt),
        (Kind::Resource, &args.resource),
        (Kind::Method, &args.method),
    ];
    let thing = things.into_iter().find_map(|(kind, name)| name.as_ref().map(|name| (kind, name)));
    let Some((kind, name)) = thing else {
        say("what is asked for? Give one of --tool, --prompt, --resource and --method");
        return ExitCode::from(EXIT_USAGE);
    };
    let Some(policy) = super::review::policy(&args.file) else { return ExitCode::FAILURE };
    let granted = match caller(args) {
        Ok(granted) => granted,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    if let Some(args) = &args.args
        && let Err(trouble) = object(args)
    {
        say(&format!("--args: {trouble}"));
        return ExitCode::from(EXIT_USAGE);
    }
    let facts = Facts {
        claims: &granted.claims,
        args: args.args.as_deref(),
        name,
        annotations: None,
        method: method(kind, name),
        session: "",
        client_address: "",
        time: i128::try_from(now().1.as_nanos()).unwrap_or(i128::MAX),
        vars: &[],
    };
    let facts = args.args.as_ref().map(|_| &facts);
    let explanation = explain(&policy, &granted.scopes, kind, name, facts);
    if args.json {
        return print(format!("{}\n", explained::json(&explanation)).as_bytes());
    }
    print(explained::text(&explanation).as_bytes())
}

/// Whether a text is what arguments are: a JSON object that the gateway would read.
pub(crate) fn object(text: &str) -> Result<(), &'static str> {
    let read = || {
        let mut reader = Reader::of_text(text, 128)?;
        reader.object(|_, value| value.skip().map(drop))?;
        reader.end()
    };
    read().map_err(|_: JsonFlaw| "this is no JSON object, or one in which a name stands twice")
}

/// The method by which a thing is called.
pub(crate) fn method(kind: Kind, name: &str) -> &str {
    match kind {
        Kind::Tool => "tools/call",
        Kind::Prompt => "prompts/get",
        Kind::Resource => "resources/read",
        Kind::Method => name,
    }
}

/// The scopes of the caller, each with where it stands.
fn caller(args: &ExplainArgs) -> Result<Granted, String> {
    let paths: Vec<Box<str>> = match args.scope_claims.as_slice() {
        [] => Issuer::new("", []).scope_claims.into(),
        given => given.iter().map(|path| path.as_str().into()).collect(),
    };
    let text = match (&args.token_file, &args.claims) {
        (Some(file), _) => read(file)?,
        (None, Some(claims)) => claims.clone(),
        (None, None) => {
            let names = args.scopes.iter().flat_map(|scopes| scopes.split([' ', ',']));
            let names = names.filter(|name| !name.is_empty());
            let scopes = names.map(|name| (name.to_owned(), "--scope".to_owned())).collect();
            return Ok(Granted { scopes, claims: "{}".to_owned(), ..Granted::default() });
        }
    };
    granted(&text, &paths).map_err(|refusal| format!("the token: {}", refusal.sentence()))
}

/// A token in a file, or on standard input.
fn read(file: &Path) -> Result<String, String> {
    let most = u64::try_from(MAX_TOKEN).unwrap_or(u64::MAX).saturating_add(2);
    let trouble = |error: std::io::Error| format!("{}: cannot be read: {error}", file.display());
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_string(&mut text).map_err(trouble)?;
    } else {
        std::fs::File::open(file).map_err(trouble)?.take(most).read_to_string(&mut text).map_err(trouble)?;
    }
    Ok(text)
}
