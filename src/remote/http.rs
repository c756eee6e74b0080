//! Questions to a provider over HTTP/1.1: bounded in time and size, to addresses that were looked at, without
//! redirects, proxies or cookies.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::settings::{ProviderUrl, Reach};

/// The longest answer, in bytes.
const MOST_BYTES: usize = 1024 * 1024;
/// The longest head of an answer, in bytes.
const MOST_HEAD: usize = 64 * 1024;
/// The most addresses of one name that are tried.
const MOST_ADDRESSES: usize = 4;
/// How many idle connections are kept, and for how long.
const IDLE_CONNECTIONS: usize = 16;
const IDLE_TIME: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// What is sent would cross a network in clear.
    #[error("{0} is not https; use https, or set `allow_http: true` if the network is safe")]
    Clear(String),
    /// The name has no address.
    #[error("`{0}` cannot be resolved: {1}")]
    Unresolved(String, String),
    /// The name has no address that may be asked.
    #[error("`{0}` has the address {1}, which is not a public one; list it in `provider_networks` if it is meant")]
    AddressRefused(String, IpAddr),
    /// No connection.
    #[error("`{0}` cannot be reached: {1}")]
    Unreachable(String, String),
    /// No TLS, or a certificate that is not trusted.
    #[error("TLS with `{0}` fails: {1}")]
    Tls(String, String),
    /// No complete answer in time.
    #[error("`{0}` did not answer within {1:?}")]
    TooSlow(String, Duration),
    /// An answer that sends elsewhere.
    #[error("`{0}` answered {1}, a redirect; redirects are not followed")]
    Redirected(String, u16),
    /// An answer other than 200.
    #[error("`{0}` answered {1}")]
    Status(String, u16),
    /// An answer that is too long.
    #[error("`{0}` answered with more than 1 MiB")]
    TooLarge(String),
    /// An answer in an encoding nobody asked for.
    #[error("`{0}` answered in a content encoding that was not asked for")]
    Encoded(String),
    /// Not HTTP, or an answer that ends early.
    #[error("`{0}` answered with what is not HTTP, or broke off: {1}")]
    Broken(String, String),
}

/// What is asked.
pub enum Question {
    /// GET.
    Get,
    /// POST of a form, which may be authorised.
    Form {
        /// `application/x-www-form-urlencoded`.
        body: String,
        /// `Authorization`.
        authorization: Option<HeaderValue>,
    },
    /// POST of a JSON text.
    Json(String),
}

/// An answer with status 200.
pub struct Answer {
    /// Its content.
    pub body: Bytes,
    /// For how long it says it is fresh (RFC 9111 §5.2.2.1).
    pub max_age: Option<Duration>,
}

/// A client of one provider.
pub struct Client {
    reach: Reach,
    tls: TlsConnector,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    is_https: bool,
    authority: String,
    since: Instant,
    sender: Sender,
}

type Sender = SendRequest<Full<Bytes>>;

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Client {
    /// A client that may go where `reach` says.
    ///
    /// # Errors
    /// What is wrong with its `ca_file`.
    pub fn new(reach: &Reach) -> Result<Self, String> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = &reach.ca_file {
            for authority in authorities(path)? {
                roots.add(authority).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { reach: reach.clone(), tls: TlsConnector::from(Arc::new(config)), idle: Mutex::new(Vec::new()) })
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// [`Unanswered`], also for every status but 200.
    pub async fn ask(&self, url: &ProviderUrl, question: Question) -> Result<Answer, Unanswered> {
        self.ask_within(self.reach.timeout, url, question).await
    }

    /// As [`Client::ask`], with a time of its own.
    ///
    /// # Errors
    /// [`Unanswered`], also for every status but 200.
    pub async fn ask_within(
        &self,
        time: Duration,
        url: &ProviderUrl,
        question: Question,
    ) -> Result<Answer, Unanswered> {
        if !self.reach.allows_scheme(url) {
            return Err(Unanswered::Clear(url.to_string()));
        }
        match timeout(time, self.exchange(time, url, question)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(Unanswered::TooSlow(url.authority(), time)),
        }
    }

    async fn exchange(&self, time: Duration, url: &ProviderUrl, question: Question) -> Result<Answer, Unanswered> {
        let request = request(url, question)?;
        while let Some(mut sender) = self.take_idle(url).await {
            // The server may close an idle connection at the moment it is used. What is asked here may be asked twice.
            if let Ok(response) = sender.send_request(request.clone()).await {
                let answer = read(url, response).await?;
                self.keep(url, sender);
                return Ok(answer);
            }
        }
        let mut sender = self.connect(time, url).await?;
        let response = sender.send_request(request).await.map_err(|error| broken(url, &error))?;
        let answer = read(url, response).await?;
        self.keep(url, sender);
        Ok(answer)
    }

    async fn take_idle(&self, url: &ProviderUrl) -> Option<Sender> {
        loop {
            let found = {
                let mut idle = self.idle.lock().ok()?;
                idle.retain(|line| line.since.elapsed() < IDLE_TIME && !line.sender.is_closed());
                let fits = |line: &Idle| line.is_https == url.is_https() && line.authority == url.authority();
                idle.iter().position(fits).map(|at| idle.swap_remove(at))
            };
            let mut sender = found?.sender;
            if sender.ready().await.is_ok() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, url: &ProviderUrl, sender: Sender) {
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < IDLE_CONNECTIONS
            && !sender.is_closed()
        {
            let (is_https, authority) = (url.is_https(), url.authority());
            idle.push(Idle { is_https, authority, since: Instant::now(), sender });
        }
    }

    async fn connect(&self, time: Duration, url: &ProviderUrl) -> Result<Sender, Unanswered> {
        let stream = self.dial(time, url).await?;
        let _ = stream.set_nodelay(true);
        let io: Box<dyn Io> = if url.is_https() {
            let failed = |error: &dyn std::fmt::Display| Unanswered::Tls(url.authority(), error.to_string());
            let name = ServerName::try_from(url.host().to_owned()).map_err(|error| failed(&error))?;
            Box::new(self.tls.connect(name, stream).await.map_err(|error| failed(&error))?)
        } else {
            Box::new(stream)
        };
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MOST_HEAD);
        let (sender, connection) =
            builder.handshake(TokioIo::new(io)).await.map_err(|error| broken(url, &error))?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Connects to an address that was looked at: the name is not resolved a second time.
    async fn dial(&self, time: Duration, url: &ProviderUrl) -> Result<TcpStream, Unanswered> {
        let addresses = self.resolve(url).await?;
        let share = time.checked_div(u32::try_from(addresses.len()).unwrap_or(1)).unwrap_or(time);
        let mut trouble = String::new();
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => trouble = format!("{address}: {error}"),
                Err(_elapsed) => trouble = format!("{address}: no answer within {share:?}"),
            }
        }
        Err(Unanswered::Unreachable(url.authority(), trouble))
    }

    async fn resolve(&self, url: &ProviderUrl) -> Result<Vec<SocketAddr>, Unanswered> {
        let found: Vec<SocketAddr> = match url.host().parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, url.port())],
            Err(_) => {
                let unresolved =
                    |error: std::io::Error| Unanswered::Unresolved(url.host().to_owned(), error.to_string());
                tokio::net::lookup_host((url.host(), url.port())).await.map_err(unresolved)?.collect()
            }
        };
        let is_allowed = |address: &SocketAddr| self.reach.allows_address(url.host(), address.ip());
        let allowed: Vec<SocketAddr> = found.iter().copied().filter(is_allowed).take(MOST_ADDRESSES).collect();
        match (found.first(), allowed.is_empty()) {
            (Some(first), true) => Err(Unanswered::AddressRefused(url.host().to_owned(), first.ip())),
            (None, _) => Err(Unanswered::Unresolved(url.host().to_owned(), "it has no address".to_owned())),
            (Some(_), false) => Ok(allowed),
        }
    }
}

/// The certificate authorities in a PEM file.
///
/// # Errors
/// What is wrong with the file.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let about = |error: &dyn std::fmt::Display| format!("`{}`: {error}", path.display());
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<CertificateDer<'static>> = read.map_err(|error| about(&error))?;
    if found.is_empty() { Err(about(&"no certificate in PEM form")) } else { Ok(found) }
}

fn request(url: &ProviderUrl, question: Question) -> Result<Request<Full<Bytes>>, Unanswered> {
    let (method, kind, body, authorization) = match question {
        Question::Get => (Method::GET, None, String::new(), None),
        Question::Form { body, authorization } => {
            (Method::POST, Some("application/x-www-form-urlencoded"), body, authorization)
        }
        Question::Json(body) => (Method::POST, Some("application/json"), body, None),
    };
    let unsendable = |error: http::Error| Unanswered::Broken(url.authority(), error.to_string());
    let mut request = Request::builder()
        .method(method)
        .uri(url.target())
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("toolgate/", env!("CARGO_PKG_VERSION")))
        .body(Full::new(Bytes::from(body)))
        .map_err(unsendable)?;
    if let Some(kind) = kind {
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(mut authorization) = authorization {
        authorization.set_sensitive(true);
        request.headers_mut().insert(header::AUTHORIZATION, authorization);
    }
    Ok(request)
}

async fn read(url: &ProviderUrl, response: Response<Incoming>) -> Result<Answer, Unanswered> {
    let status = response.status();
    if status.is_redirection() {
        return Err(Unanswered::Redirected(url.authority(), status.as_u16()));
    }
    if status.as_u16() != 200 {
        return Err(Unanswered::Status(url.authority(), status.as_u16()));
    }
    let encoding = response.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Unanswered::Encoded(url.authority()));
    }
    let max_age = max_age(response.headers());
    let mut body = BytesMut::new();
    let mut rest = response.into_body();
    while let Some(frame) = rest.frame().await {
        let Ok(bytes) = frame.map_err(|error| broken(url, &error))?.into_data() else { continue };
        if body.len().saturating_add(bytes.len()) > MOST_BYTES {
            return Err(Unanswered::TooLarge(url.authority()));
        }
        body.extend_from_slice(&bytes);
    }
    Ok(Answer { body: body.freeze(), max_age })
}

fn broken(url: &ProviderUrl, error: &hyper::Error) -> Unanswered {
    Unanswered::Broken(url.authority(), error.to_string())
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    if directives
        .iter()
        .any(|directive| ["no-store", "no-cache"].contains(&directive.to_ascii_lowercase().as_str()))
    {
        return Some(Duration::ZERO);
    }
    let ages = directives.iter().filter_map(|directive| directive.split_once('='));
    let mut ages = ages.filter(|(name, _)| name.eq_ignore_ascii_case("max-age"));
    ages.find_map(|(_, seconds)| seconds.trim_matches('"').parse().ok()).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
