//! The program itself.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

use super::client::{Ask, Client, Response};
use super::tokens::{ISSUER, RESOURCE, SECRET};
use super::{Upstream, eventually};

/// The policy, unless a test has its own.
pub(crate) const POLICY: &str = r#"version: 1
tools:
  open: {scopes: []}
  read: {scopes: [r]}
  write: {scopes: [r, w]}
  hidden: {scopes: [w], on_deny: hide}
  told: {scopes: [w], on_deny: explain}
  picky: {scopes: [], when: args.ok == true}
  never: {deny: true}
prompts:
  greet: {scopes: [r]}
  secret: {deny: true}
resources:
  "x:r": {scopes: [r]}
  "x:w": {scopes: [w], on_deny: hide}
methods:
  x-acme/run: {scopes: [acme]}
"#;

/// The scopes of the policy, as challenges list them.
pub(crate) const SCOPES: &str = "acme r w";

/// What stands in a challenge.
pub(crate) const METADATA: &str =
    "resource_metadata=\"http://gateway.test/.well-known/oauth-protected-resource/mcp\"";

/// What stands in a challenge for a proof.
pub(crate) const ALGS: &str = "algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 EdDSA\"";

/// A running gateway, ended when dropped.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where its files are.
    pub(crate) folder: TempDir,
    errors: Arc<Mutex<String>>,
}

/// How a gateway is to be started.
pub(crate) struct Setup {
    folder: TempDir,
    args: Vec<String>,
}

impl Setup {
    /// The usual gateway before `upstream`.
    pub(crate) fn before(upstream: &Upstream) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let setup = Self { folder, args: Vec::new() };
        let (policy, secret) = (setup.file("policy.yaml", POLICY), setup.file("secret", SECRET));
        setup
            .arg("--upstream", &upstream.url)
            .arg("--policy", policy.to_str().unwrap())
            .arg("--secret-file", secret.to_str().unwrap())
            .arg("--issuer", ISSUER)
            .arg("--public-url", RESOURCE)
            .arg("--listen", "127.0.0.1:0")
            .arg("--admin", "127.0.0.1:0")
            .arg("--threads", "2")
    }

    /// With this flag, instead of the same flag so far.
    pub(crate) fn arg(mut self, flag: &str, value: &str) -> Self {
        if let Some(at) = self.args.iter().position(|arg| arg == flag) {
            self.args.drain(at..at + 2);
        }
        self.args.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    /// With this flag once more.
    pub(crate) fn also(mut self, flag: &str, value: &str) -> Self {
        self.args.extend([flag.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn without(mut self, flag: &str) -> Self {
        if let Some(at) = self.args.iter().position(|arg| arg == flag) {
            self.args.drain(at..at + 2);
        }
        self
    }

    /// A file in the folder of the gateway.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_toolgate"));
        command.arg("serve").args(&self.args).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end: for starts that fail.
    pub(crate) fn fail(self) -> (ExitStatus, String) {
        let output = self.command().stdout(Stdio::null()).output().unwrap();
        (output.status, String::from_utf8(output.stderr).unwrap())
    }

    #[track_caller]
    pub(crate) fn start(self) -> Gateway {
        let mut child = self.command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = Arc::new(Mutex::new(String::new()));
        follow(child.stderr.take().unwrap(), Arc::clone(&errors));
        let mut gateway = Gateway {
            child,
            public: ([0, 0, 0, 0], 0).into(),
            admin: ([0, 0, 0, 0], 0).into(),
            folder: self.folder,
            errors,
        };
        gateway.public = gateway.address("listening");
        gateway.admin = gateway.address("admin");
        // No request yet: the upstream must see what the test does, and nothing else.
        for address in [gateway.public, gateway.admin] {
            eventually("a listener", || TcpStream::connect(address).ok());
        }
        gateway
    }
}

fn follow(output: impl Read + Send + 'static, held: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { break };
            let mut held = held.lock().unwrap();
            held.push_str(&line);
            held.push('\n');
        }
    });
}

impl Gateway {
    /// The usual gateway before `upstream`.
    #[track_caller]
    pub(crate) fn before(upstream: &Upstream) -> Self {
        Setup::before(upstream).start()
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.public)
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub(crate) fn ask(&self, ask: &Ask) -> Response {
        self.connect().ask(ask)
    }

    /// What the admin listener says.
    #[track_caller]
    pub(crate) fn admin(&self, path: &str) -> Response {
        self.operator(&Ask::method("GET", "").target(path))
    }

    /// The answer of the admin listener.
    #[track_caller]
    pub(crate) fn operator(&self, ask: &Ask) -> Response {
        Client::connect(self.admin).ask(ask)
    }

    /// The sum of the metric's lines that contain `label`.
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, label: &str) -> u64 {
        let text = self.admin("/metrics").text();
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }

    /// What it said on standard error.
    pub(crate) fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }

    fn address(&mut self, word: &str) -> SocketAddr {
        eventually(word, || {
            let errors = self.errors();
            let line = errors.lines().find(|line| line.trim_start().starts_with(word));
            if line.is_none()
                && let Some(status) = self.child.try_wait().unwrap()
            {
                panic!("{status}: {errors}");
            }
            let (_, rest) = line?.split_once("://")?;
            rest.split(['/', ' ']).next()?.parse().ok()
        })
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// What its threads are called.
    pub(crate) fn threads(&self) -> Vec<String> {
        let folder = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        // One may end meanwhile.
        let names = folder.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.map(|name| name.trim_end().to_owned()).collect()
    }

    /// How many files and sockets it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        eventually("the end of the gateway", || self.child.try_wait().unwrap())
    }

    /// Whether it still runs, without a panic.
    #[track_caller]
    pub(crate) fn is_well(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "{}", self.errors());
        assert!(!self.errors().contains("panicked"), "{}", self.errors());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
