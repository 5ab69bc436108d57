//! References: whatever parses prints as something that parses to the same.

use wharfie_oci::Reference;
use wharfie_oci::reference::is_image_id;

/// Insists on it for one input.
pub(crate) fn run(text: &str) {
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    let canonical = reference.canonical();
    assert_eq!(canonical.parse::<Reference>().as_ref(), Ok(&reference), "{canonical}");
    let familiar = reference.familiar();
    // `library/` before 64 hexadecimal digits is a name, the digits alone are an id. And a path on Docker Hub that begins
    // like a host prints, as docker prints it, like that host.
    let begins_like_a_host =
        familiar.split_once('/').is_some_and(|(first, _)| first.contains(['.', ':']) || first == "localhost")
            && reference.repository().host() == "docker.io";
    if !is_image_id(&familiar) && !begins_like_a_host {
        assert_eq!(familiar.parse::<Reference>().as_ref(), Ok(&reference), "{familiar}");
    }
}
