//! `toolgate policy explain`: why a caller may have something or may not.

use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use super::{EXIT_USAGE, print, say};
use crate::caller::Scopes;
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
    let scopes = Scopes::from_names(granted.scopes.iter().map(|(scope, _)| scope.as_str()));
    let ruling = policy.decide(&policy.grants(&scopes), kind, name);
    let explanation = explain(&policy, &granted.scopes, kind, name, ruling);
    if args.json {
        return print(format!("{}\n", explained::json(&explanation)).as_bytes());
    }
    print(explained::text(&explanation).as_bytes())
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
            return Ok(Granted { scopes, ..Granted::default() });
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
