//! Values of flags that are refused before anything is done, as docker refuses them: with the command's usage.

use std::str::FromStr;

use wharfie_engine::container::words::BadWord;
use wharfie_oci::size::{self, Units};

/// A word of a container's, which the flag is for.
pub(crate) fn word<T: FromStr<Err = BadWord>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|why| why.to_string())
}

/// The value of `--label`.
pub(crate) fn label(text: &str) -> Result<(), String> {
    match text.split('=').next().unwrap_or_default().trim_start().is_empty() {
        true => Err(format!("invalid label '{text}': empty name")),
        false => Ok(()),
    }
}

/// The value of a flag that is a size.
pub(crate) fn bytes(text: &str) -> Result<(), String> {
    if text == "-1" || size::parse(text, Units::Binary).is_some() {
        Ok(())
    } else {
        Err(format!("invalid size: '{text}'"))
    }
}

/// The value of `--cpus`.
pub(crate) fn cpus(text: &str) -> Result<(), String> {
    text.parse::<f64>().map(drop).map_err(|_| format!("failed to parse {text} as a rational number"))
}

/// The value of `--attach`.
pub(crate) fn stream(text: &str) -> Result<(), String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" | "stdout" | "stderr" => Ok(()),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".to_owned()),
    }
}

/// The value of `--dns`.
pub(crate) fn address(text: &str) -> Result<(), String> {
    let parsed = text.trim().parse::<std::net::IpAddr>();
    parsed.map(drop).map_err(|_| format!("IP address is not correctly formatted: {text}"))
}

/// The value of `--env`.
pub(crate) fn env(text: &str) -> Result<(), String> {
    match text.is_empty() || text.starts_with('=') {
        true => Err(format!("invalid environment variable: {text}")),
        false => Ok(()),
    }
}

/// The value of a flag that is a duration.
pub(crate) fn duration(text: &str) -> Result<(), String> {
    wharfie_oci::duration::parse(text).map(drop).ok_or_else(|| format!("time: invalid duration \"{text}\""))
}

/// The value of `--mount`. Whether its source exists is for later, as with docker.
pub(crate) fn mount(text: &str) -> Result<(), String> {
    super::mount_flag::fields(text).map(drop).map_err(|why| why.text)
}
