//! The HTTP/1.1 side: one endpoint on a listener, until told to stop.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    ENDPOINT, Options, conformance,
    server::{Server, Shared},
};

/// How long an idle session lives; the SDK's five minutes would end the demo over a coffee.
const SESSION_KEEP_ALIVE: Duration = Duration::from_secs(60 * 60);

/// How long open connections may take to finish after the shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait before accepting again when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Endpoint<H> = StreamableHttpService<H, LocalSessionManager>;
type Body = BoxBody<Bytes, Infallible>;

/// Serves MCP at [`ENDPOINT`] on a TCP listener until `shutdown` completes.
///
/// On a loopback address only loopback names are accepted in `Host`, against DNS rebinding. On any
/// other address every name is, since the server cannot know what it is called there.
///
/// # Errors
///
/// Fails if the listener has no address or the calls log cannot be opened.
pub async fn serve_tcp(
    listener: TcpListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let config = config(&options);
    let config = if listener.local_addr()?.ip().is_loopback() { config } else { config.disable_allowed_hosts() };
    serve(listener, config, sample(options)?, shutdown).await
}

/// Serves the fixtures of the official conformance suite instead of the sample, on loopback names only.
///
/// # Errors
///
/// Fails if the fixtures cannot be read.
pub async fn serve_fixtures(
    listener: TcpListener,
    options: &Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let shared = Arc::new(conformance::Shared::new()?);
    serve(listener, config(options), move || conformance::Server::new(Arc::clone(&shared)), shutdown).await
}

/// Makes the servers of sessions and of stateless requests.
fn sample(options: Options) -> io::Result<impl Fn() -> Server + Send + Sync + 'static> {
    let shared = Arc::new(Shared::new(options)?);
    Ok(move || Server::new(Arc::clone(&shared)))
}

/// Serves MCP at [`ENDPOINT`] on a unix socket until `shutdown` completes, under any `Host`.
///
/// # Errors
///
/// Fails if the calls log cannot be opened.
pub async fn serve_unix(
    listener: UnixListener,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let config = config(&options).disable_allowed_hosts();
    serve(listener, config, sample(options)?, shutdown).await
}

fn config(options: &Options) -> StreamableHttpServerConfig {
    StreamableHttpServerConfig::default().with_json_response(!options.sse_responses)
}

/// What both kinds of listener do.
trait Accept {
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Accept for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        // An event is one small write, which must not wait for the next.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Accept for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(Self::accept(self).await?.0)
    }
}

async fn serve<H: ServerHandler>(
    listener: impl Accept,
    config: StreamableHttpServerConfig,
    handler: impl Fn() -> H + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop_mcp = config.cancellation_token.clone();
    let endpoint = endpoint(config, handler);
    let (stop_http, stopped) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            stream = listener.accept() => match stream {
                Ok(stream) => { connections.spawn(connection(stream, endpoint.clone(), stopped.clone())); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            // Keeps the set from growing with connections that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    // Ends the sessions and their streams first, so that the connections have nothing left to send.
    stop_mcp.cancel();
    drop(stop_http);
    let _ = tokio::time::timeout(GRACE, async { while connections.join_next().await.is_some() {} }).await;
    Ok(())
}

fn endpoint<H: ServerHandler>(
    config: StreamableHttpServerConfig,
    handler: impl Fn() -> H + Send + Sync + 'static,
) -> Endpoint<H> {
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SESSION_KEEP_ALIVE);
    StreamableHttpService::new(move || Ok(handler()), Arc::new(sessions), config)
}

async fn connection<S, H>(stream: S, endpoint: Endpoint<H>, mut stopped: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: ServerHandler,
{
    let service = service_fn(move |request| {
        let endpoint = endpoint.clone();
        async move { Ok::<_, Infallible>(answer(&endpoint, request).await) }
    });
    // Without a timer hyper never closes an idle connection: how long to keep one is the gateway's choice.
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // A connection that breaks is the client's affair.
    tokio::select! {
        _ = connection.as_mut() => return,
        // The sender is only ever dropped.
        _ = stopped.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

async fn answer<H: ServerHandler>(endpoint: &Endpoint<H>, request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() != ENDPOINT {
        let mut response = Response::new(Empty::new().boxed());
        *response.status_mut() = StatusCode::NOT_FOUND;
        return response;
    }
    endpoint.handle(request).await
}
