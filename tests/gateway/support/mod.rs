//! What the tests are made of: the program, an upstream, clients and tokens.

pub(crate) mod client;
pub(crate) mod gateway;
pub(crate) mod tokens;
pub(crate) mod upstream;

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub(crate) use client::{Ask, Client, Response};
pub(crate) use gateway::Gateway;
pub(crate) use tokens::token;
pub(crate) use upstream::{Step, Upstream};

/// What should happen at once may take this long on a machine that does much else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "{what}: not within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Something that one thread waits for and another lets happen.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    pub(crate) fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }

    pub(crate) fn shut(&self) {
        *self.0.0.lock().unwrap() = false;
    }

    #[track_caller]
    pub(crate) fn wait(&self) {
        let held = self.0.0.lock().unwrap();
        let (held, _) = self.0.1.wait_timeout_while(held, DEADLINE, |is_open| !*is_open).unwrap();
        assert!(*held, "the gate stayed closed");
    }
}

/// A JSON-RPC request without parameters of interest.
pub(crate) fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}

/// The call of a tool, with id 1.
pub(crate) fn call(tool: &str) -> String {
    request("1", "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{}}}}"#))
}
