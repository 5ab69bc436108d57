use super::*;

/// An image of these layers; each entry is a path, a size, and a slash at the end for a directory.
fn analysed(layers: &[&[(&str, u64)]]) -> Analysis {
    let mut analyzer = Analyzer::default();
    for layer in layers {
        for (path, size) in *layer {
            let kind = if path.ends_with('/') { ItemKind::Directory } else { ItemKind::File };
            let entry =
                Entry { path: path.as_bytes(), kind, size: *size, mode: 0o644, uid: 0, gid: 0, mtime: 0, link: b"" };
            assert!(analyzer.entry(&entry));
        }
        analyzer.end_layer(Layer::default());
    }
    analyzer.finish()
}

fn wasted(analysis: &Analysis) -> Vec<(String, u32, u64)> {
    let path = |path| String::from_utf8(analysis.names.path(path)).unwrap();
    analysis.efficiency.paths.iter().map(|found| (path(found.path), found.count, found.size)).collect()
}

fn hidden(analysis: &Analysis) -> Vec<(String, usize, usize, How)> {
    let path = |path| String::from_utf8(analysis.names.path(path)).unwrap();
    analysis.hidden.iter().map(|found| (path(found.path), found.layer, found.by, found.how)).collect()
}

#[test]
fn a_clean_image_wastes_nothing() {
    let clean = analysed(&[&[("a", 10), ("b/", 0), ("b/c", 5)], &[("d", 1)]]);
    assert_eq!((clean.size, clean.user_size, clean.reclaimable), (16, 1, 0));
    assert_eq!((clean.efficiency.score, clean.efficiency.wasted), (1.0, 0));
    assert_eq!(analysed(&[]).efficiency.score, 1.0);
}

#[test]
fn copies_count_all_for_dive_and_once_less_in_truth() {
    let image = analysed(&[&[("a", 10)], &[("a", 12)], &[("a", 12)]]);
    assert_eq!(wasted(&image), [("a".to_owned(), 3, 34)]);
    assert_eq!(image.efficiency.score, 10.0 / 34.0);
    assert_eq!(image.reclaimable, 22);
    assert_eq!(hidden(&image), [("a".to_owned(), 1, 2, How::Repeated), ("a".to_owned(), 0, 1, How::Replaced)]);
    assert_eq!(image.whereabouts().layers_of(image.efficiency.paths[0].path), [0, 1, 2]);
}

#[test]
fn a_removed_directory_counts_what_was_in_it() {
    let image = analysed(&[&[("d/", 0), ("d/a", 10), ("d/b", 20), ("e", 5)], &[(".wh.d", 0), (".wh.e", 0)]]);
    // dive counts the directory's bytes once more, and a file's whiteout with nothing.
    assert_eq!(wasted(&image), [("e".to_owned(), 2, 5)]);
    assert_eq!(image.efficiency.wasted, 5);
    assert_eq!(image.efficiency.score, (10 + 20 + 30) as f64 / (10 + 20 + 30 + 5) as f64);
    assert_eq!(image.reclaimable, 35);
    assert!(hidden(&image).iter().all(|(_, layer, by, how)| (*layer, *by, *how) == (0, 1, How::Removed)));
}

#[test]
fn a_whiteout_of_nothing_ends_dives_count_and_not_ours() {
    let image = analysed(&[&[("b", 7)], &[("a/", 0), (".wh.a2", 0), ("b", 7)]]);
    assert_eq!(wasted(&image), []);
    assert_eq!(image.efficiency.stopped, [(1, b"a2".to_vec())]);
    // dive takes -1 for the path that it never counted.
    assert_eq!(image.efficiency.score, 6.0 / 7.0);
    assert_eq!(image.reclaimable, 7);
    assert_eq!(image.warnings.len(), 1);
}

#[test]
fn an_opaque_directory_hides_and_keeps_its_own() {
    let image = analysed(&[&[("o/a", 10), ("o/b", 20)], &[("o/", 0), ("o/.wh..wh..opq", 0), ("o/a", 3)]]);
    assert_eq!(image.reclaimable, 30);
    assert_eq!(hidden(&image), [("o/b".to_owned(), 0, 1, How::Removed), ("o/a".to_owned(), 0, 1, How::Replaced)]);
    assert_eq!(wasted(&image), [("o/a".to_owned(), 2, 13)]);
    assert_eq!(image.opaque_in(1).len(), 1);
}

#[test]
fn a_file_in_the_place_of_a_directory_hides_all_in_it() {
    let image = analysed(&[&[("d/a", 10), ("d/e/b", 20)], &[("d", 1)], &[("d/", 0), ("d/a", 4)]]);
    assert_eq!(image.reclaimable, 31);
    assert!(hidden(&image).contains(&("d/e/b".to_owned(), 0, 1, How::Removed)));
    assert!(hidden(&image).contains(&("d".to_owned(), 1, 2, How::Removed)));
    // What a layer has twice is stored twice.
    assert_eq!(analysed(&[&[("a", 5), ("a", 6)]]).reclaimable, 5);
}

#[test]
fn what_a_hard_link_still_shows_cannot_be_saved() {
    let check = |layers: &[&[(&str, &str)]], expected: u64| {
        let mut analyzer = Analyzer::default();
        for layer in layers {
            for (path, link) in *layer {
                let kind = if link.is_empty() { ItemKind::File } else { ItemKind::Hardlink };
                let size = if link.is_empty() && !path.contains(".wh.") { 10 } else { 0 };
                let (path, link) = (path.as_bytes(), link.as_bytes());
                analyzer.entry(&Entry { path, kind, size, mode: 0, uid: 0, gid: 0, mtime: 0, link });
            }
            analyzer.end_layer(Layer::default());
        }
        assert_eq!(analyzer.finish().reclaimable, expected, "{layers:?}");
    };
    check(&[&[("a", ""), ("b", "a")], &[(".wh.a", "")]], 0);
    check(&[&[("a", ""), ("b", "/a")], &[(".wh.a", ""), (".wh.b", "")]], 10);
    check(&[&[("a", "")], &[("b", "a")], &[(".wh.a", "")]], 10);
}

#[test]
fn advice_says_what_and_where() {
    let mut analyzer = Analyzer::default();
    let entry =
        |path, uid, size| Entry { path, kind: ItemKind::File, size, mode: 0o644, uid, gid: 0, mtime: 9, link: b"" };
    analyzer.entry(&entry(b"var/lib/apt/lists/deb.lz4", 0, 100));
    analyzer.entry(&entry(b"srv/app", 0, 50));
    analyzer.entry(&entry(b"tmp/x", 0, 20));
    analyzer.end_layer(Layer::default());
    analyzer.entry(&entry(b"srv/app", 33, 50));
    analyzer.entry(&entry(b"tmp/.wh.x", 0, 0));
    analyzer.entry(&entry(b"root/.cache/pip/http/1", 0, 30));
    analyzer.end_layer(Layer::default());
    let analysis = analyzer.finish();
    let told: Vec<_> =
        analysis.advice.iter().map(|advice| (advice.kind, advice.size_bytes, advice.layer, advice.hidden_by)).collect();
    assert_eq!(
        told,
        [
            ("apt-lists", 100, 0, None),
            ("copied-by-chown", 50, 0, Some(1)),
            ("pip-cache", 30, 1, None),
            ("removed-later", 20, 0, Some(1)),
        ]
    );
    assert_eq!((analysis.leftover, analysis.reclaimable), (130, 70));
}

#[test]
fn too_much_is_a_warning() {
    let mut analyzer = Analyzer::default();
    let deep = "d/".repeat(300);
    fn entry(path: &[u8]) -> Entry<'_> {
        Entry { path, kind: ItemKind::File, size: 1, mode: 0, uid: 0, gid: 0, mtime: 0, link: b"" }
    }
    assert!(analyzer.entry(&entry(deep.as_bytes())));
    assert!(analyzer.entry(&entry(&[b'x'; 5000])));
    for n in 0..300_000_u32 {
        if !analyzer.entry(&entry(n.to_string().as_bytes())) {
            break;
        }
    }
    assert!(!analyzer.entry(&entry(b"more")));
    analyzer.end_layer(Layer::default());
    let analysis = analyzer.finish();
    assert_eq!(analysis.warnings.len(), 3);
    assert!(analysis.size > 299_000);
}
