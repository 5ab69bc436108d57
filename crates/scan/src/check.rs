//! What in an image's configuration is better otherwise.

use serde::{Deserialize, Serialize};
use wharfie_oci::ImageConfig;
use wharfie_oci::config::ContainerConfig;

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
    /// The image that this one was made from has it as well.
    #[serde(default, rename = "isOfBase", skip_serializing_if = "std::ops::Not::not")]
    pub is_of_base: bool,
}

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Checked<'a> {
    /// What the image is called.
    pub name: &'a str,
    /// What it says of itself.
    pub config: &'a ImageConfig,
    /// Files with set-id bits, from the root without a leading slash, and whether the base has them.
    pub set_id: &'a [(String, bool)],
    /// What the image that it was made from says of itself, as far as that is known.
    pub base: Option<&'a ImageConfig>,
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

/// What is better otherwise in an image.
pub fn of_image(checked: &Checked<'_>) -> Vec<Check> {
    let mut found = Vec::new();
    let mut add = |id: &str, severity: Severity, text: String, is_of_base: bool| {
        found.push(Check { id: id.to_owned(), severity, text, is_of_base });
    };
    let own = checked.config.config.as_ref();
    let base = checked.base.map(|base| base.config.as_ref());
    if is_root(own) {
        let text = "runs as root: name another user with USER".to_owned();
        add("user-root", Severity::Low, text, base.is_some_and(is_root));
    }
    for pair in own.into_iter().flat_map(|own| own.env.iter().flatten()) {
        let Some((key, value)) = pair.split_once('=') else { continue };
        let upper = key.to_ascii_uppercase();
        let is_about = PLACES.iter().chain(&MANNERS).any(|end| upper.ends_with(end));
        // Nobody's secret is a truth value.
        let is_switch = matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "on" | "off");
        if !value.is_empty() && !is_about && !is_switch && SECRETS.iter().any(|part| upper.contains(part)) {
            let text = format!(
                "the variable {key} has a value that everybody can read: use a secret (`RUN --mount=type=secret`, `run -e`)"
            );
            let is_of_base = base.flatten().is_some_and(|base| base.env.iter().flatten().any(|known| known == pair));
            add("env-secret", Severity::High, text, is_of_base);
        }
    }
    let name = checked.name;
    let tag = name.rsplit('/').next().unwrap_or(name).split_once(':').map(|(_, tag)| tag);
    if tag == Some("latest") {
        let text = "has the tag latest, which means another image tomorrow: give it a version".to_owned();
        add("tag-latest", Severity::Low, text, false);
    }
    for is_of_base in [false, true] {
        let files = checked.set_id.iter().filter(|(_, of_base)| *of_base == is_of_base).map(|(path, _)| path);
        let count = files.clone().count();
        if count > 0 {
            let named: Vec<String> = files.take(NAMED).map(|path| format!("/{path}")).collect();
            let more = count - named.len();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let text = format!("{count} files run as their owner (set-id): {}{more}", named.join(", "));
            add("set-id", Severity::Low, text, is_of_base);
        }
    }
    found
}

fn is_root(config: Option<&ContainerConfig>) -> bool {
    let user = config.map(|config| config.user.as_str()).unwrap_or_default();
    matches!(user.split(':').next().unwrap_or_default(), "" | "0" | "root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_are_judged() {
        let config = |json: &str| ImageConfig::parse(format!(r#"{{"config":{json}}}"#).as_bytes()).unwrap();
        let ids = |name: &str, json: &str, files: &[String]| -> Vec<String> {
            let set_id: Vec<_> = files.iter().map(|path| (path.clone(), false)).collect();
            let checked = Checked { name, config: &config(json), set_id: &set_id, base: None };
            of_image(&checked).into_iter().map(|check| check.id).collect()
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

    #[test]
    fn what_the_base_has_is_the_bases() {
        let config = |json: &str| ImageConfig::parse(format!(r#"{{"config":{json}}}"#).as_bytes()).unwrap();
        let own = config(r#"{"Env":["A_TOKEN=1","B_TOKEN=2","C_TOKEN=4"]}"#);
        let of_base = |base: &str| -> Vec<String> {
            let set_id = [("bin/su".to_owned(), true), ("bin/own".to_owned(), false)];
            let (base, name) = (config(base), "web:latest");
            let checked = Checked { name, config: &own, set_id: &set_id, base: Some(&base) };
            let checks = of_image(&checked).into_iter().filter(|check| check.is_of_base);
            checks.map(|check| format!("{} {}", check.id, check.text.split(' ').nth(2).unwrap_or_default())).collect()
        };
        assert_eq!(
            of_base(r#"{"Env":["A_TOKEN=1","C_TOKEN=3"]}"#),
            ["user-root root:", "env-secret A_TOKEN", "set-id run"]
        );
        assert_eq!(of_base(r#"{"User":"web"}"#), ["set-id run"], "who makes it root is the image");
    }
}
