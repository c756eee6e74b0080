//! Secrets: they come from files, and nothing shows them.

use std::fmt;
use std::path::Path;

use super::mistake::Flaw;
use super::value::read_file;

/// The longest secret that is read.
const LONGEST: u64 = 64 * 1024;

/// The secret of the demonstration, known to everybody.
pub const DEMO_SECRET: &str = "dev-secret-change-me";

/// A secret. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// The secret in a file: its content without the line end at the end, at least `shortest` bytes.
    pub(super) fn read(path: &Path, shortest: usize) -> Result<Self, Flaw> {
        let Self(secret) = Self::of_file(path)?;
        if *secret == *DEMO_SECRET.as_bytes() {
            return Err(Flaw::hinted("this is the secret of the demonstration, which everybody knows", MAKE_ONE));
        }
        if secret.len() < shortest {
            return Err(Flaw::hinted(format!("the secret is shorter than {shortest} bytes"), MAKE_ONE));
        }
        Ok(Self(secret))
    }

    /// The secret in a file, whatever it is: for development tokens alone.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is too long.
    pub fn load(path: &Path) -> Result<Self, String> {
        Self::of_file(path).map_err(|flaw| flaw.message)
    }

    fn of_file(path: &Path) -> Result<Self, Flaw> {
        let bytes = read_file(path, LONGEST.saturating_add(1))?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
            return Err(Flaw::new("the secret is longer than 64 KiB"));
        }
        let secret = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        Ok(Self(secret.strip_suffix(b"\r").unwrap_or(secret).into()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

const MAKE_ONE: &str = "make one with `openssl rand -base64 48`";

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
