//! `toolgate policy init`: a policy to start from.

use std::process::ExitCode;

use super::lock::token;
use super::{counted, print, say};
use crate::message::lists::ListKind;
use crate::policy::Kind;
use crate::policy::starting::{Listed, starting};
use crate::settings::Upstream;
use crate::settings::args::Access;
use crate::survey::{Survey, survey};

/// Asks the server, and prints.
pub(super) fn run(access: &Access) -> ExitCode {
    let survey = match asked(access) {
        Ok(survey) => survey,
        Err(trouble) => {
            say(&trouble);
            return ExitCode::FAILURE;
        }
    };
    let listed = listed(&survey);
    match starting(&address(&access.upstream), &listed).write() {
        Ok(written) => {
            for left_out in &written.left_out {
                say(&format!("left out: {left_out}"));
            }
            let count = listed.iter().map(|(_, _, entries)| entries.len()).fold(0, usize::saturating_add);
            let left = written.left_out.len();
            say(&format!("{}, all refused; {left} left out", counted(count.saturating_sub(left), "thing")));
            print(written.text.as_bytes())
        }
        Err(trouble) => {
            say(&format!("no policy can be written: {trouble}"));
            ExitCode::FAILURE
        }
    }
}

/// What was listed, by what rules are about.
pub(super) fn listed(survey: &Survey) -> [Listed<'_>; 4] {
    [
        (Kind::Tool, false, &survey.tools),
        (Kind::Prompt, false, &survey.prompts),
        (Kind::Resource, false, &survey.resources),
        (Kind::Resource, true, &survey.templates),
    ]
}

/// All that the server lists.
pub(super) fn asked(access: &Access) -> Result<Survey, String> {
    let token = access.token_file.as_deref().map(token).transpose()?;
    let kinds = [ListKind::Tools, ListKind::Prompts, ListKind::Resources, ListKind::ResourceTemplates];
    survey(&access.upstream, token.as_deref(), &kinds)
}

fn address(upstream: &Upstream) -> String {
    match upstream {
        Upstream::Tcp { .. } => format!("http://{}{}", upstream.authority(), upstream.path()),
        Upstream::Unix { socket, path } => format!("unix:{}#{path}", socket.display()),
    }
}
