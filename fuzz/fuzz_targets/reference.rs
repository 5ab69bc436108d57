//! References: whatever parses prints as something that parses to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharfie_oci::Reference;
use wharfie_oci::reference::is_image_id;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<Reference>() else {
        return;
    };
    for printed in [reference.canonical(), reference.familiar()] {
        // `library/` before 64 hexadecimal digits is a name, the digits alone are an id.
        if is_image_id(&printed) {
            continue;
        }
        assert_eq!(printed.parse::<Reference>().as_ref(), Ok(&reference), "{printed}");
    }
});
