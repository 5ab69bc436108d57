//! What in an image's configuration is better otherwise.

use serde::{Deserialize, Serialize};
use wharfie_oci::ImageConfig;

use crate::advisory::Severity;

/// Something that is better otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// A word for it, for exceptions: `user-root`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is so, and what to do; one line.
    pub text: String,
}

impl Check {
    fn new(id: &str, severity: Severity, text: String) -> Self {
        Self { id: id.to_owned(), severity, text }
    }
}

/// Parts of names of variables that hold secrets.
const SECRETS: [&str; 9] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "API_KEY", "APIKEY", "ACCESS_KEY", "PRIVATE_KEY", "CREDENTIAL"];
/// Ends of names of variables that only say where secrets are.
const PLACES: [&str; 6] = ["_FILE", "_PATH", "_DIR", "_URL", "_URI", "_NAME"];
/// Ends of names of variables that say how secrets are handled: for how long, how many, of which kind.
const MANNERS: [&str; 12] = [
    "_TTL",
    "_EXPIRY",
    "_EXPIRATION",
    "_EXPIRES",
    "_TIMEOUT",
    "_LIFETIME",
    "_MAX_AGE",
    "_LENGTH",
    "_SIZE",
    "_LIMIT",
    "_TYPE",
    "_ALGORITHM",
];
/// 10 files are named; the rest are counted.
const NAMED: usize = 10;

/// What is better otherwise in an image that is called `name` and has these files with set-id bits.
pub fn of_image(name: &str, config: &ImageConfig, set_id: &[String]) -> Vec<Check> {
    let mut found = Vec::new();
    let own = config.config.clone().unwrap_or_default();
    let user = own.user.split(':').next().unwrap_or_default();
    if matches!(user, "" | "0" | "root") {
        let text = "runs as root: name another user with USER".to_owned();
        found.push(Check::new("user-root", Severity::Low, text));
    }
    for pair in own.env.iter().flatten() {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let upper = key.to_ascii_uppercase();
        let is_about = PLACES.iter().chain(&MANNERS).any(|end| upper.ends_with(end));
        // Nobody's secret is a truth value.
        let is_switch = matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off");
        if !value.is_empty() && !is_about && !is_switch && SECRETS.iter().any(|part| upper.contains(part)) {
            let text = format!(
                "the variable {key} has a value that everybody can read: use a secret (`RUN --mount=type=secret`, `run -e`)"
            );
            found.push(Check::new("env-secret", Severity::High, text));
        }
    }
    let tag = name.rsplit('/').next().unwrap_or(name).split_once(':').map(|(_, tag)| tag);
    if tag == Some("latest") {
        let text = "has the tag latest, which means another image tomorrow: give it a version".to_owned();
        found.push(Check::new("tag-latest", Severity::Low, text));
    }
    if !set_id.is_empty() {
        let named: Vec<String> = set_id.iter().take(NAMED).map(|path| format!("/{path}")).collect();
        let more = set_id.len() - named.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!("{} files run as their owner (set-id): {}{more}", set_id.len(), named.join(", "));
        found.push(Check::new("set-id", Severity::Low, text));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_judged() {
        let config = |json: &str| ImageConfig::parse(format!(r#"{{"config":{json}}}"#).as_bytes()).unwrap();
        let ids = |name: &str, json: &str, files: &[String]| -> Vec<String> {
            of_image(name, &config(json), files).into_iter().map(|check| check.id).collect()
        };
        assert_eq!(ids("web:latest", "{}", &[]), ["user-root", "tag-latest"]);
        assert_eq!(ids("host:5000/web", r#"{"User":"web"}"#, &[]), Vec::<String>::new());
        let manners =
            r#"{"User":"web","Env":["TOKEN_TTL=5","PASSWORD_MIN_LENGTH=8","USE_TOKEN=true","TOKEN_ALGORITHM=RS256"]}"#;
        assert_eq!(ids("web:1", manners, &[]), Vec::<String>::new());
        let env = r#"{"User":"1:0","Env":["DB_PASSWORD=x","PASSWORD_FILE=/run/x","TOKEN=","PATH=/bin"]}"#;
        assert_eq!(ids("web:1", env, &["bin/su".to_owned()]), ["env-secret", "set-id"]);
        assert!(ids("web:1", "{\"User\":\"root:root\"}", &[]).contains(&"user-root".to_owned()));
    }
}
