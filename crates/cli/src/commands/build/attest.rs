//! `--attest`, `--provenance`, `--sbom`: what is told beside the result.

use wharfie_engine::build::Provenance;

use super::fields::fields;
use super::flags;
use crate::flags::Matches;

/// What is to be told of where the result comes from. The last word counts, as with buildx.
pub(super) fn provenance(matches: &Matches) -> Option<Provenance> {
    // Checked while they were parsed.
    let mut attested = matches.get(&flags::ATTEST).iter().filter_map(|text| match attestation(text) {
        Ok(Attestation::Provenance(provenance)) => Some(provenance),
        _ => None,
    });
    let short = matches.get(&flags::PROVENANCE).and_then(|text| shorthand(text).ok());
    short.or_else(|| attested.next_back()).flatten()
}

/// Whether the result's packages are to be told.
pub(super) fn sbom(matches: &Matches) -> bool {
    let mut attested = matches.get(&flags::ATTEST).iter().filter_map(|text| match attestation(text) {
        Ok(Attestation::Sbom(is_wanted)) => Some(is_wanted),
        _ => None,
    });
    let short = matches.get(&flags::SBOM).and_then(|text| is_sbom(text).ok());
    short.or_else(|| attested.next_back()).unwrap_or_default()
}

/// A value of `--attest`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Attestation {
    Provenance(Option<Provenance>),
    Sbom(bool),
}

/// The value of `--sbom`: a truth value, or fields as those of `--attest type=sbom`.
pub(super) fn is_sbom(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        more => wanted(more),
    }
}

/// The value of `--provenance`: a truth value, or `mode=…`.
pub(super) fn shorthand(text: &str) -> Result<Option<Provenance>, String> {
    match text {
        "true" | "1" => Ok(Some(Provenance::Min)),
        "false" | "0" => Ok(None),
        more => mode(more),
    }
}

/// The value of `--attest`.
pub(super) fn attestation(text: &str) -> Result<Attestation, String> {
    let listed = fields(text);
    let value = |key: &str| listed.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref());
    match value("type").or_else(|| listed.first().map(|(name, _)| name.as_str())) {
        Some("provenance") => mode(text).map(Attestation::Provenance),
        Some("sbom") => wanted(text).map(Attestation::Sbom),
        other => Err(format!("unknown attestation type {:?}", other.unwrap_or_default())),
    }
}

/// The fields of an SBOM. There is one program that makes them: this one.
fn wanted(text: &str) -> Result<bool, String> {
    let mut is_wanted = true;
    for (key, value) in fields(text) {
        match (key.as_str(), value.as_deref()) {
            ("type", _) | ("sbom", None) | ("disabled", Some("false" | "0")) => {}
            ("disabled", Some("true" | "1")) => is_wanted = false,
            ("generator", _) => {
                return Err("SBOMs are made by this program: generators that are images are not run".to_owned());
            }
            (key, _) => return Err(format!("invalid {key} of an SBOM {text:?}")),
        }
    }
    Ok(is_wanted)
}

fn mode(text: &str) -> Result<Option<Provenance>, String> {
    let mut provenance = Provenance::Min;
    for (key, value) in fields(text) {
        match (key.as_str(), value.as_deref()) {
            ("type", _) | ("provenance", None) | ("disabled", Some("false" | "0")) | ("mode", Some("min")) => {}
            ("disabled", Some("true" | "1")) => return Ok(None),
            ("mode", Some("max")) => provenance = Provenance::Max,
            (key, _) => return Err(format!("invalid {key} of provenance {text:?}")),
        }
    }
    Ok(Some(provenance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_how_much_is_told() {
        assert_eq!(shorthand("true"), Ok(Some(Provenance::Min)));
        assert_eq!(shorthand("mode=max"), Ok(Some(Provenance::Max)));
        assert_eq!(shorthand("false"), Ok(None));
        assert!(shorthand("mode=most").is_err());
        assert_eq!(attestation("type=provenance,mode=max"), Ok(Attestation::Provenance(Some(Provenance::Max))));
        assert_eq!(attestation("type=provenance,disabled=true"), Ok(Attestation::Provenance(None)));
        assert_eq!(attestation("type=sbom,disabled=true"), Ok(Attestation::Sbom(false)));
        assert_eq!((attestation("type=sbom"), is_sbom("true")), (Ok(Attestation::Sbom(true)), Ok(true)));
        assert!(attestation("type=x").is_err() && attestation("type=sbom,x=1").is_err());
        assert!(is_sbom("generator=docker/scout").is_err_and(|why| why.contains("are not run")));
    }
}
