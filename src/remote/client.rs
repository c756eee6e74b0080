//! toolgate as a client of an authorization server: how it says who it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;

use super::http::Question;
use crate::caller::UnixTime;
use crate::settings::{Client, ClientAuth, Secret};
use crate::token::SigningKey;
use crate::token::introspection::{Assertion, assertion_parameters, basic, encoded, private_key_jwt};

/// For how many seconds an assertion is good.
const ASSERTION_LIFE: u64 = 60;

/// Parameters of a form.
pub(super) type Parameters<'a> = [(&'a str, &'a str)];

/// The form with these parameters, from this client. `audience` is who an assertion is for.
///
/// # Errors
/// Why the client cannot say who it is, for the operator.
pub(super) fn form(
    client: &Client,
    parameters: &Parameters<'_>,
    audience: &str,
    now: UnixTime,
) -> Result<Question, String> {
    match &client.auth {
        ClientAuth::Basic(file) => {
            let authorization = HeaderValue::try_from(basic(&client.id, &secret(file)?));
            let authorization = authorization.map_err(|_| "the client's secret cannot be sent".to_owned())?;
            Ok(Question::Form { body: joined(parameters, &[]), authorization: Some(authorization) })
        }
        ClientAuth::Post(file) => {
            let secret = secret(file)?;
            let proof = [("client_id", client.id.as_str()), ("client_secret", &secret)];
            Ok(Question::Form { body: joined(parameters, &proof), authorization: None })
        }
        ClientAuth::PrivateKeyJwt(file, kid) => {
            let about = |error: &dyn std::fmt::Display| format!("`{}`: {error}", file.display());
            let key = SigningKey::read(&secret(file)?).map_err(|error| about(&error))?;
            let key = match kid {
                Some(kid) => key.with_kid(kid),
                None => key,
            };
            let token_id = token_id()?;
            let assertion = Assertion {
                client_id: &client.id,
                audience,
                issued: now,
                life: ASSERTION_LIFE,
                token_id: &token_id,
            };
            let signed = private_key_jwt(&key, &assertion).map_err(|error| about(&error))?;
            let proof = assertion_parameters(&client.id, &signed);
            Ok(Question::Form { body: joined(parameters, &proof), authorization: None })
        }
    }
}

fn joined(parameters: &Parameters<'_>, proof: &Parameters<'_>) -> String {
    let pairs = parameters.iter().chain(proof).map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// The secret as it is now: it may have been changed since the last question.
fn secret(file: &std::path::Path) -> Result<String, String> {
    let secret = Secret::load(file)?;
    String::from_utf8(secret.expose().to_vec()).map_err(|_| format!("`{}` is not UTF-8", file.display()))
}

fn token_id() -> Result<String, String> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
