//! The environment: the only place of the product that reads it.

use std::path::PathBuf;
use std::sync::OnceLock;

use wharfie_runtime::rootless::Standing;

/// Set for programs in the user namespace of an ordinary user's containers: in there that user is root.
pub const ROOTLESS_VARIABLE: &str = "_WHARFIE_ROOTLESS";

/// The value of a variable, if it is set to text.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn text(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The value of a variable, if it is set and not empty.
pub fn nonempty(name: &str) -> Option<String> {
    text(name).filter(|value| !value.is_empty())
}

/// The directory for files that nobody keeps.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn temp_dir() -> PathBuf {
    std::env::temp_dir()
}

/// The user's home directory.
pub fn home() -> PathBuf {
    nonempty("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from)
}

/// True if the program acts for root, and not for an ordinary user, for one who is root of a namespace only, or for root
/// without the rights of root.
pub fn is_root() -> bool {
    standing() == Standing::Root && nonempty(ROOTLESS_VARIABLE).is_none()
}

/// What the program may do: what it was when it was asked first, before it can have entered a namespace.
pub fn standing() -> Standing {
    static ANSWER: OnceLock<Standing> = OnceLock::new();
    *ANSWER.get_or_init(wharfie_runtime::rootless::standing)
}

/// True if one of our own programs has made the namespaces that this one is in.
pub fn is_in_own_namespace() -> bool {
    nonempty(ROOTLESS_VARIABLE).is_some()
}

/// The name of the user with this id, as files of the system and the environment know it.
pub fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.or_else(|| nonempty("USER")).unwrap_or_else(|| uid.to_string())
}

/// The time.
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
pub fn now() -> wharfie_oci::Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    wharfie_oci::Timestamp { seconds, nanos: since.subsec_nanos() }
}
