//! Policy files that are none, or that would cost too much: the policy in force stays, and the next good one is taken.

use std::path::Path;
use std::process::Command;

use crate::support::gateway::{POLICY, Setup};
use crate::support::{Ask, Gateway, Upstream, call, eventually, token};

/// The usual policy with a tool of its own.
fn with_tool(tool: &str) -> String {
    POLICY.replace("tools:\n", &format!("tools:\n  {tool}: {{scopes: []}}\n"))
}

fn has(gateway: &Gateway, tool: &str) -> bool {
    gateway.ask(&Ask::post(&token("alice", ""), call(tool))).json().get("result").is_some()
}

fn kept(gateway: &Gateway) -> u64 {
    gateway.metric("toolgate_policy_reloads_total", "result=\"kept\"")
}

fn generation(gateway: &Gateway) -> u64 {
    gateway.metric("toolgate_policy_generation", "")
}

/// Makes a file.
type Maker<'a> = &'a dyn Fn(&Path);

/// Puts `make`'s file in the place of the policy, at once.
fn put(gateway: &Gateway, make: Maker<'_>) {
    let folder = gateway.folder.path();
    let new = folder.join("new");
    make(&new);
    // A folder is not renamed over a file.
    if new.is_dir() {
        std::fs::remove_file(folder.join("policy.yaml")).unwrap();
    }
    std::fs::rename(new, folder.join("policy.yaml")).unwrap();
}

#[test]
fn what_is_no_policy_leaves_the_last_one_in_force_and_the_watch_goes_on() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    let makers: [(&str, Maker<'_>); 9] = [
        ("is not a file", &|new| assert!(Command::new("mkfifo").arg(new).status().unwrap().success())),
        ("is not a file", &|new| std::os::unix::fs::symlink("/dev/zero", new).unwrap()),
        ("more than the 4194304", &|new| std::fs::File::create(new).unwrap().set_len(100 * 1024 * 1024).unwrap()),
        ("is empty", &|new| std::fs::write(new, "").unwrap()),
        ("cannot be read", &|new| std::os::unix::fs::symlink("policy.yaml", new).unwrap()),
        ("UTF-8", &|new| std::fs::write(new, b"version: 1\n\xff").unwrap()),
        ("aliases are not supported", &|new| {
            let laughs = (1..20).fold("a0: &a0 [x]\n".to_owned(), |text, at| {
                format!("{text}a{at}: &a{at} [*a{before}, *a{before}]\n", before = at - 1)
            });
            std::fs::write(new, laughs).unwrap();
        }),
        ("too large", &|new| {
            let rule = "version: 1\ntools: {a: {scopes: [], when: 'args.x.matches(\"(a{1000}){1000}\")'}}\n";
            std::fs::write(new, rule).unwrap();
        }),
        ("is not a file", &|new| std::fs::create_dir(new).unwrap()),
    ];
    for (count, (word, make)) in (1..).zip(makers) {
        put(&gateway, make);
        eventually(word, || (kept(&gateway) == count).then_some(()));
        let ready = gateway.admin("/readyz").text();
        assert!(ready.contains("generation 1 stays in force"), "{word}: {ready}");
        eventually(word, || gateway.errors().contains(word).then_some(()));
        assert!(has(&gateway, "open") && !has(&gateway, "later"), "{word}");
    }
    // None of it takes memory for good: what is refused by its size is not read.
    assert!(gateway.memory() < 200 * 1024 * 1024, "{}", gateway.memory());
    std::fs::remove_dir(gateway.folder.path().join("policy.yaml")).unwrap();
    put(&gateway, &|new| std::fs::write(new, with_tool("later")).unwrap());
    eventually("the good one", || has(&gateway, "later").then_some(()));
    assert_eq!(generation(&gateway), 2);
    gateway.is_well();
}

#[test]
fn a_gateway_does_not_wait_for_a_pipe_at_its_start() {
    let setup = Setup::before(&Upstream::fine());
    let pipe = setup.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (status, said) = setup.arg("--policy", pipe.to_str().unwrap()).fail();
    assert_eq!((status.code(), said.contains("is not a file")), (Some(78), true), "{said}");
}

#[test]
fn half_a_policy_is_refused_and_the_whole_one_taken() {
    let upstream = Upstream::fine();
    let gateway = Gateway::before(&upstream);
    let file = gateway.folder.path().join("policy.yaml");
    let text = with_tool("later");
    // Whoever writes stops in the middle of a rule.
    let half = text.find("read: {").unwrap() + 5;
    std::fs::write(&file, &text.as_bytes()[..half]).unwrap();
    eventually("the half refused", || (kept(&gateway) == 1).then_some(()));
    assert!(has(&gateway, "open") && !has(&gateway, "later"));
    std::fs::write(&file, &text).unwrap();
    eventually("the whole one", || has(&gateway, "later").then_some(()));
    // A file that is gone is no policy, and comes back as the same one.
    std::fs::remove_file(&file).unwrap();
    eventually("the loss", || (kept(&gateway) == 2).then_some(()));
    std::fs::write(&file, &text).unwrap();
    eventually("no trouble", || (!gateway.admin("/readyz").text().contains("stays in force")).then_some(()));
    assert!(has(&gateway, "later"));
}

#[test]
fn of_very_many_rewrites_the_last_one_is_in_force() {
    let upstream = Upstream::fine();
    let mut gateway = Gateway::before(&upstream);
    for number in 0..2_000 {
        let text = with_tool(&format!("tool_{number}"));
        if number % 2 == 0 {
            std::fs::write(gateway.folder.path().join("policy.yaml"), text).unwrap();
        } else {
            put(&gateway, &|new| std::fs::write(new, &text).unwrap());
        }
    }
    eventually("the last one", || has(&gateway, "tool_1999").then_some(()));
    assert!(!has(&gateway, "tool_1998"));
    // None of them was half of one, and most were never looked at.
    assert_eq!(kept(&gateway), 0);
    assert!(generation(&gateway) < 2_000);
    gateway.is_well();
}
