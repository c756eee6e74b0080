//! `toolgate token`: a development token.

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{EXIT_CONFIG, print, say};
use crate::caller::UnixTime;
use crate::settings::args::TokenArgs;
use crate::settings::{DEMO_SECRET, Secret};
use crate::token::{Mint, mint_hs256};

const SECONDS_PER_HOUR: u64 = 3600;

/// Prints the token alone to standard output.
pub(super) fn run(args: &TokenArgs) -> ExitCode {
    let secret = match secret(args) {
        Ok(secret) => secret,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    print(format!("{}\n", mint(args, &secret, UnixTime(now))).as_bytes())
}

/// The secret that was given, or the one of the demonstration.
fn secret(args: &TokenArgs) -> Result<Vec<u8>, String> {
    match (&args.secret, &args.secret_file) {
        (Some(secret), _) => Ok(secret.clone().into_bytes()),
        (None, Some(file)) => from_file(file),
        (None, None) => {
            say(
                "signed with the public secret of the demonstration: `toolgate demo` may accept it, `serve` never does",
            );
            Ok(DEMO_SECRET.as_bytes().to_vec())
        }
    }
}

fn from_file(file: &Path) -> Result<Vec<u8>, String> {
    Secret::load(file)
        .map(|secret| secret.expose().to_vec())
        .map_err(|trouble| format!("{}: {trouble}", file.display()))
}

fn mint(args: &TokenArgs, secret: &[u8], now: UnixTime) -> String {
    let scopes: Vec<&str> = args.scopes.iter().flat_map(|scopes| scopes.split_whitespace()).collect();
    let audience: Vec<&str> = args.audience.iter().map(String::as_str).collect();
    let expires = now.plus(args.exp_hours.saturating_mul(SECONDS_PER_HOUR));
    let mint = Mint {
        issuer: args.issuer.as_deref(),
        audience: &audience,
        issued: Some(now),
        ..Mint::new(&args.sub, &scopes, expires)
    };
    mint_hs256(secret, &mint)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn scopes_may_be_repeated_or_stand_together() {
        let args = TokenArgs {
            sub: "alice".into(),
            scopes: vec!["a b".into(), "c".into()],
            exp_hours: 2,
            secret: None,
            secret_file: None,
            issuer: Some("i".into()),
            audience: vec!["x".into()],
        };
        let token = mint(&args, b"secret", UnixTime(1000));
        let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
        let expected = serde_json::json!({
            "sub": "alice", "scope": ["a", "b", "c"], "exp": 8200, "iat": 1000, "iss": "i", "aud": ["x"]
        });
        assert_eq!(claims, expected);
    }
}
