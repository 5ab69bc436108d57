//! The bodies of the fuzz targets on hand-made inputs and on random changes of them.

#[path = "../../../../fuzz/bodies/advisories.rs"]
mod advisories;
#[path = "../../../../fuzz/bodies/analysis.rs"]
mod analysis;
#[path = "../../../../fuzz/bodies/packages.rs"]
mod packages;

use proptest::prelude::*;

const SEEDS: &[&str] = &[
    "ID=debian\nVERSION_ID=\"12\"\n",
    "Package: a\nStatus: install ok installed\nVersion: 1:2-3\nSource: b (1)\n",
    "P:a\nV:1\nF:usr\nR:b\n\n",
    "Name: a\nVersion: 1\nLicense: MIT\n\n",
    "{\"name\":\"@a/b\",\"version\":\"1\",\"license\":[{\"type\":\"MIT\"}]}",
    "{\"packages\":[{\"name\":\"a/b\",\"version\":\"1\"}],\"libraries\":{\"a/1\":{\"type\":\"package\"}}}",
    "{\"bomFormat\":\"CycloneDX\",\"components\":[{\"name\":\"a\",\"purl\":\"pkg:npm/a@1\",\"components\":[]}]}",
    "{\"spdxVersion\":\"SPDX-2.3\",\"packages\":[{\"externalRefs\":[{\"referenceType\":\"purl\",\"referenceLocator\":\"pkg:npm/a@1\"}]}]}",
    "{\"id\":\"A\",\"affected\":[{\"package\":{\"ecosystem\":\"npm\",\"name\":\"a\"},\"ranges\":[{\"type\":\"SEMVER\",\"events\":[{\"introduced\":\"0\"}]}]}]}",
    "{\"glibc\":{\"CVE-1\":{\"description\":\"d\",\"releases\":{\"bookworm\":{\"status\":\"resolved\",\"fixed_version\":\"2\",\"urgency\":\"low\"}}}}}",
    "{\"distroversion\":\"v3.20\",\"packages\":[{\"pkg\":{\"name\":\"a\",\"secfixes\":{\"1-r0\":[\"CVE-1 CVE-2\"],\"0\":null}}}]}",
    "{\"catalogVersion\":\"1\",\"dateReleased\":\"2026-01-01T00:00:00Z\",\"vulnerabilities\":[{\"cveID\":\"CVE-1\",\"dateAdded\":\"2026-01-01\"}]}",
    "#model_version:v1,score_date:2026-01-01T00:00:00+0000\ncve,epss,percentile\nCVE-1,0.1,0.2\n",
    "{\"@context\":\"https://openvex.dev/ns/v0.2.0\",\"statements\":[{\"vulnerability\":{\"name\":\"A\"},\"products\":[{\"@id\":\"pkg:npm/a\"}],\"status\":\"fixed\"}]}",
    "PK\u{5}\u{6}\0\0\0\0\u{1}\0\u{1}\0\u{2e}\0\0\0\0\0\0\0\0\0",
    "SQLite format 3\0\u{10}\0\u{1}\u{1}\0\u{40}\u{20}\u{20}",
    "\u{7f}ELF\u{2}\u{1}\u{1}\0",
    "RpmP\0\0\0\0\0\0\0\0\u{1}\0\0\0",
    "s.name = \"a\"\ns.version = '1'\n",
];

#[test]
fn hand_made_inputs_cut_anywhere() {
    for seed in SEEDS {
        for at in 0..=seed.len() {
            packages::run(&seed.as_bytes()[..at]);
        }
        advisories::run(seed.as_bytes());
    }
}

proptest! {
    #[test]
    fn changed_inputs(seed in 0..SEEDS.len(), changes in prop::collection::vec((0_usize..6000, any::<u8>()), 0..6), len in 0_usize..6000) {
        let mut bytes = SEEDS[seed].as_bytes().to_vec();
        bytes.resize(bytes.len().max(len), 0);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        packages::run(&bytes);
        advisories::run(&bytes);
    }

    #[test]
    fn layers_of_any_names(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        analysis::run(&bytes);
    }
}
