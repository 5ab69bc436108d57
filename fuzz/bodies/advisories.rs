//! Advisories: no record, list or VEX document makes an import panic, and what was imported can be opened and asked; nor does a
//! damaged data base.

use std::io::Cursor;

use wharfie_scan::advisory::{Builder, Index, find};
use wharfie_scan::{Inventory, Package, PackageKind, vex};

/// Insists on it for one input, as a record, an archive of records, and a data base.
pub(crate) fn run(bytes: &[u8]) {
    let bytes = bytes.to_vec();
    let inventory = Inventory {
        packages: vec![Package::new(PackageKind::Npm, "a", "1.0.0"), Package::new(PackageKind::Pypi, "a", "1!2.0rc1")],
        ..Inventory::default()
    };
    let mut builder = Builder::new(Cursor::new(Vec::new()));
    let _ = builder.add_record(&bytes);
    let _ = builder.add_zip("all.zip", &bytes);
    let _ = builder.add_file(&bytes, "2026-11-30T00:00:00Z");
    let mut out = Cursor::new(Vec::new());
    builder.finish(&mut out, "2026-11-30T00:00:00Z").expect("memory can be written");
    let made = out.into_inner();
    let index = Index::open(&made).expect("what was made can be opened");
    let found = find(&inventory, &index).expect("what was made can be asked");
    if let Ok(document) = vex::Document::parse(&bytes, wharfie_oci::Timestamp { seconds: 1_795_996_800, nanos: 0 }) {
        for finding in &found {
            let _ = vex::verdict(std::slice::from_ref(&document), finding, &inventory);
        }
    }
    if let Ok(index) = Index::open(&bytes) {
        let _ = find(&inventory, &index);
    }
}
