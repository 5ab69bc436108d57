//! Challenges: no header makes parsing panic, and what is found was in the header.

use wharfie_remote::read_challenges;

/// Insists on it for one input.
pub(crate) fn run(text: &str) {
    let found = read_challenges(text);
    assert!(found.len() <= 8);
    let lower = text.to_ascii_lowercase();
    for (scheme, parameters) in found {
        assert!(!scheme.is_empty() && lower.contains(&scheme), "{scheme}");
        for (name, value) in parameters {
            assert!(lower.contains(&name) && value.len() <= text.len(), "{name}");
        }
    }
}
