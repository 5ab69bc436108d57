//! `--attest`, `--provenance`, `--sbom`: what is told beside the result.

use wharfie_engine::build::Provenance;

use super::fields::fields;
use super::flags;
use crate::flags::Matches;

/// What is to be told of where the result comes from. The last word counts, as with buildx.
pub(super) fn provenance(matches: &Matches) -> Option<Provenance> {
    // Checked while they were parsed.
    let attested = matches.get(&flags::ATTEST).iter().filter_map(|text| attestation(text).ok().flatten()).next_back();
    let short = matches.get(&flags::PROVENANCE).and_then(|text| shorthand(text).ok());
    short.or(attested).flatten()
}

/// The value of `--provenance`: a truth value, or `mode=…`.
pub(super) fn shorthand(text: &str) -> Result<Option<Provenance>, String> {
    match text {
        "true" | "1" => Ok(Some(Provenance::Min)),
        "false" | "0" => Ok(None),
        more => mode(more),
    }
}

/// The value of `--attest`; `None` if it is about no provenance.
pub(super) fn attestation(text: &str) -> Result<Option<Option<Provenance>>, String> {
    let listed = fields(text);
    let value = |key: &str| listed.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_deref());
    let is_disabled = matches!(value("disabled"), Some("true" | "1"));
    match value("type").or_else(|| listed.first().map(|(name, _)| name.as_str())) {
        Some("provenance") if is_disabled => Ok(Some(None)),
        Some("provenance") => mode(text).map(Some),
        Some("sbom") if is_disabled => Ok(None),
        Some("sbom") => Err(flags::NO_SBOM.to_owned()),
        other => Err(format!("unknown attestation type {:?}", other.unwrap_or_default())),
    }
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
        assert_eq!(attestation("type=provenance,mode=max"), Ok(Some(Some(Provenance::Max))));
        assert_eq!(attestation("type=provenance,disabled=true"), Ok(Some(None)));
        assert_eq!(attestation("type=sbom,disabled=true"), Ok(None));
        assert!(attestation("type=sbom").is_err() && attestation("type=x").is_err());
    }
}
