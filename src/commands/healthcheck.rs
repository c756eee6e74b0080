//! `toolgate healthcheck`: is the gateway beside it ready?

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{EXIT_USAGE, say};
use crate::settings::args::HealthcheckArgs;

/// For everything: connecting, asking, reading the answer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LONGEST: u64 = 64 * 1024;

/// Exits with 0 when the gateway says that it is ready.
pub(super) fn run(args: &HealthcheckArgs) -> ExitCode {
    let Some(authority) = authority(&args.admin) else {
        say(&format!("`{}` is neither IP:PORT nor http://HOST:PORT", args.admin.escape_debug()));
        return ExitCode::from(EXIT_USAGE);
    };
    match ask(&authority) {
        Ok((200, _)) => ExitCode::SUCCESS,
        Ok((status, body)) => {
            let harmless = body.replace(char::is_control, " ");
            say(&format!("not ready ({status}): {harmless}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("no answer from {authority}: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// `HOST:PORT`. An address that means "all of them" to a listener is reached over loopback.
fn authority(admin: &str) -> Option<String> {
    let rest = admin.strip_prefix("http://").map_or(admin, |rest| rest.trim_end_matches('/'));
    let (host, port) = rest.rsplit_once(':')?;
    port.parse::<u16>().ok().filter(|port| *port != 0)?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return None;
    }
    Some(match host {
        "0.0.0.0" => format!("127.0.0.1:{port}"),
        "[::]" => format!("[::1]:{port}"),
        host => format!("{host}:{port}"),
    })
}

/// Asks for `/readyz`: status and body.
fn ask(authority: &str) -> io::Result<(u16, String)> {
    let end = Instant::now().checked_add(TIMEOUT).ok_or(io::ErrorKind::TimedOut)?;
    let left = || Some(end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
    let mut connected = Err(io::Error::from(io::ErrorKind::NotFound));
    for address in authority.to_socket_addrs()? {
        connected = connect(address, left());
        if connected.is_ok() {
            break;
        }
    }
    let mut stream = connected?;
    stream.set_write_timeout(left())?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        stream.set_read_timeout(Some(left().ok_or(io::ErrorKind::TimedOut)?))?;
        let count = stream.read(&mut buffer)?;
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if count == 0 || u64::try_from(answer.len()).is_ok_and(|length| length > LONGEST) {
            break;
        }
    }
    read(&String::from_utf8_lossy(&answer)).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn connect(address: SocketAddr, left: Option<Duration>) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, left.ok_or(io::ErrorKind::TimedOut)?)
}

/// Status and body of an HTTP/1 answer.
fn read(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let mut words = head.strip_prefix("HTTP/1.")?.splitn(3, ' ');
    let status = words.nth(1)?.parse().ok()?;
    Some((status, body.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answered(answer: &'static str) -> ExitCode {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = [0; 1024];
            let count = stream.read(&mut head).unwrap();
            assert!(head[..count].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let code = run(&HealthcheckArgs { admin });
        server.join().unwrap();
        code
    }

    #[track_caller]
    fn check(answer: &'static str, expected: ExitCode) {
        assert_eq!(format!("{:?}", answered(answer)), format!("{expected:?}"), "{answer}");
    }

    #[test]
    fn only_200_is_ready() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ExitCode::SUCCESS);
        check("HTTP/1.1 503 Service Unavailable\r\n\r\nno policy", ExitCode::FAILURE);
        check("HTTP/1.1 2000 OK\r\n\r\n", ExitCode::FAILURE);
        check("SSH-2.0-x 200 OK\r\n\r\n", ExitCode::FAILURE);
        check("HTTP/1.1 200 OK\r\n", ExitCode::FAILURE);
        check("", ExitCode::FAILURE);
    }

    #[test]
    fn the_admin_listener_is_named_by_address_or_url() {
        for (admin, expected) in [
            ("127.0.0.1:9090", Some("127.0.0.1:9090")),
            ("http://localhost:9090/", Some("localhost:9090")),
            ("0.0.0.0:9090", Some("127.0.0.1:9090")),
            ("[::]:9090", Some("[::1]:9090")),
            ("[::1]:9090", Some("[::1]:9090")),
            ("https://localhost:9090", None),
            ("http://localhost:9090/readyz", None),
            ("localhost", None),
            (":9090", None),
            ("localhost:0", None),
            ("a\r\nb:1", None),
        ] {
            assert_eq!(authority(admin).as_deref(), expected, "{admin}");
        }
    }
}
