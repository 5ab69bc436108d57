//! Whatever the entries: the mount and the unpacked tree show what a simple model of extraction says.

use proptest::prelude::*;
use wharfie_layer::entry::{Entry, Kind};
use wharfie_layer::tar::{Reader, Writer};
use wharfie_oci::DiffId;

use crate::model::Model;
use crate::shown::{Detail, Place, lines, same};

/// Few names, so that entries meet each other.
fn name() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[abc]",
        1 => Just("..".to_owned()),
        1 => Just(".".to_owned()),
        1 => Just("long".repeat(40)),
    ];
    prop::collection::vec(part, 1..4).prop_map(|parts| parts.join("/"))
}

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => name(),
        1 => name().prop_map(|name| format!("/{name}")),
        1 => name().prop_map(|name| format!("./{name}/")),
        1 => (name(), "[abc]").prop_map(|(above, hidden)| format!("{above}/.wh.{hidden}")),
        1 => "[abc]".prop_map(|hidden| format!(".wh.{hidden}")),
        1 => name().prop_map(|above| format!("{above}/.wh..wh..opq")),
    ]
}

pub(crate) fn member() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let kind = prop_oneof![
        4 => Just(Kind::File),
        4 => Just(Kind::Directory),
        3 => Just(Kind::Symlink),
        2 => Just(Kind::Hardlink),
        1 => Just(Kind::Fifo),
    ];
    let facts = (0..0o10000_u16, any::<(u32, u32)>(), 0..4_294_967_296_i64, 0..1_000_000_000_u32);
    (path(), kind, path(), "[xyz]{0,20}", facts).prop_map(|(path, kind, link, content, facts)| {
        let (mode, (uid, gid), mtime, mtime_nanos) = facts;
        // A file system keeps -1 for "unchanged".
        let (uid, gid) = (uid % u32::MAX, gid % u32::MAX);
        let content = if kind == Kind::File { content.into_bytes() } else { Vec::new() };
        let link = if matches!(kind, Kind::Symlink | Kind::Hardlink) { link.into_bytes() } else { Vec::new() };
        let size = content.len() as u64;
        let entry =
            Entry { path: path.into_bytes(), kind, mode, uid, gid, mtime, mtime_nanos, size, link, ..Entry::default() };
        (entry, content)
    })
}

/// The longest beginning of the entries that can be extracted, and whether all of them can.
fn extracted(members: &[(Entry, Vec<u8>)]) -> Result<Model, usize> {
    let mut model = Model::new();
    for (index, (entry, content)) in members.iter().enumerate() {
        model.add(entry, content).map_err(|_| index)?;
    }
    Ok(model)
}

/// Takes in what can be extracted of the entries; what cannot must be refused.
pub(crate) fn ingest(place: &Place, members: &[(Entry, Vec<u8>)]) -> (DiffId, Model) {
    let mut members = members.to_vec();
    // What comes before an entry that is refused must still be shown: cut there and look again.
    let model = loop {
        match extracted(&members) {
            Ok(model) => break model,
            Err(index) => {
                let refused = place.ingest(&wharfie_testkit::image::tar(&members[..=index]));
                assert!(refused.is_err(), "entry {index} can be extracted: {:?}", members[index].0);
                members.remove(index);
            }
        }
    };
    (place.ingest(&wharfie_testkit::image::tar(&members)).expect("the model takes it"), model)
}

fn agree(place: &Place, members: &[(Entry, Vec<u8>)]) {
    let (diff_id, model) = ingest(place, members);
    for kind in place.kinds() {
        place.look(&diff_id, kind, |folder| same(&lines(folder, Detail::Full), &model.lines()));
    }
}

#[test]
fn the_tree_is_what_the_entries_say() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let config =
        ProptestConfig { cases: 256, failure_persistence: None, max_shrink_iters: 2000, ..ProptestConfig::default() };
    proptest!(config, |(members in prop::collection::vec(member(), 0..24))| agree(&place, &members));
}

#[test]
#[ignore = "slow: 20,000 random layers"]
fn the_tree_is_what_the_entries_say_in_many_more_cases() {
    let place = Place::new();
    if place.kinds().is_empty() {
        return;
    }
    let config = ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(members in prop::collection::vec(member(), 0..60))| agree(&place, &members));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(
        members in prop::collection::vec(anything(), 0..12),
    ) {
        let mut writer = Writer::new(Vec::new());
        for (entry, content) in &members {
            writer.append(entry, content.as_slice()).expect("a vector takes every byte");
        }
        let tar = writer.finish().expect("a vector takes every byte");
        let mut reader = Reader::new(tar.as_slice());
        for (entry, content) in &members {
            let mut member = reader.next_entry().expect("it was just written").expect("it is not the end");
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut member, &mut bytes).expect("it was just written");
            prop_assert_eq!(&bytes, content);
            let read = member.entry();
            let only = |entry: &Entry| Entry {
                declared_size: 0, header_offset: 0, data_offset: 0, stored: 0, ..entry.clone()
            };
            prop_assert_eq!(only(read), only(entry));
        }
        prop_assert!(reader.next_entry().expect("the end is whole").is_none());
    }
}

#[test]
fn what_tar_cannot_hold_is_refused() {
    let xattrs = vec![(b"user.a=b".to_vec(), b"c".to_vec())];
    let entry = Entry { path: b"x".to_vec(), xattrs, ..Entry::default() };
    assert!(Writer::new(Vec::new()).append(&entry, &b""[..]).is_err());
}

/// Entries that need every extension there is.
fn anything() -> impl Strategy<Value = (Entry, Vec<u8>)> {
    let kinds = prop_oneof![
        Just(Kind::File),
        Just(Kind::Symlink),
        Just(Kind::Hardlink),
        Just(Kind::Fifo),
        Just(Kind::CharDevice)
    ];
    let text = || {
        prop::collection::vec(1_u8..=255, 1..300).prop_filter("no slash at the end", |text| text.last() != Some(&b'/'))
    };
    let xattrs = prop::collection::vec(("user\\.[a-z.]{1,9}", prop::collection::vec(any::<u8>(), 0..40)), 0..3);
    let facts = (0..0o10000_u16, any::<(u32, u32)>(), -9_999_999_999..99_999_999_999_i64, 0..1_000_000_000_u32);
    (text(), kinds, text(), prop::collection::vec(any::<u8>(), 0..2000), facts, xattrs, (0..4096_u32, 0..1_000_000_u32))
        .prop_map(|(path, kind, link, content, (mode, (uid, gid), mtime, mtime_nanos), xattrs, (major, minor))| {
            let content = if kind == Kind::File { content } else { Vec::new() };
            let link = if matches!(kind, Kind::Symlink | Kind::Hardlink) { link } else { Vec::new() };
            let (major, minor) = if kind == Kind::CharDevice { (major, minor) } else { (0, 0) };
            let mut xattrs: Vec<_> = xattrs.into_iter().map(|(name, value)| (name.into_bytes(), value)).collect();
            xattrs.sort();
            xattrs.dedup_by(|one, two| one.0 == two.0);
            let size = content.len() as u64;
            let entry = Entry {
                path,
                kind,
                mode,
                uid,
                gid,
                mtime,
                mtime_nanos,
                size,
                link,
                major,
                minor,
                xattrs,
                ..Entry::default()
            };
            (entry, content)
        })
}
