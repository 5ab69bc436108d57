//! The fuzzer's body on seeds, and on what chance makes of them.

#[path = "../../../../fuzz/bodies/registry.rs"]
mod body;

use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "/v2/a/b/manifests/latest?tag=1&n=2\nbytes=0-5\napplication/vnd.oci.image.manifest.v1+json\n{\"schemaVersion\":2,\"config\":{\"mediaType\":\"a/b\",\"digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\"size\":0}}",
    "/v2/a/blobs/sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\nbytes=-5\n\n{\"manifests\":[]}",
    "/v2/a/blobs/uploads/%2e%2e?digest=x\n5-18446744073709551615\n\n{\"manifests\":[],\"config\":null}",
];

#[test]
fn seeds_keep_their_promises() {
    for seed in SEEDS {
        body::run(seed.as_bytes());
    }
}

proptest! {
    #[test]
    fn so_does_what_chance_makes_of_them(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut: prop::sample::Index,
    ) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        body::run(&bytes);
    }
}
