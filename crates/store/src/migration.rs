//! What a step from one format to the next reads from files, because no statement could say it.

use rusqlite::{Transaction, params};
use wharfie_oci::manifest::AnyManifest;
use wharfie_oci::{Digest, ImageConfig, ImageId, MediaType, Reference};

use crate::error::Result;
use crate::graph::{NewManifest, insert_manifest, is_manifest};
use crate::store::Store;

/// Version 4: the manifests and indexes that images came with become nodes of a graph, and names point at them.
/// A document that cannot be read any more is left out, as if it had never come: the image itself stays named.
pub(crate) fn fill_graph(store: &Store, db: &Transaction<'_>) -> Result<()> {
    let came_with = rows(store, db, "SELECT DISTINCT digest, media_type FROM image_manifest")?;
    for (digest, media_type) in came_with {
        let Ok(digest) = digest.parse::<Digest>() else { continue };
        let Ok(bytes) = std::fs::read(store.blob_path(&digest)) else { continue };
        let media_type = MediaType::new(&media_type);
        let Ok(document) = AnyManifest::parse(&bytes, &media_type) else { continue };
        let mut manifest = NewManifest::of(media_type, digest, &document);
        if let AnyManifest::Manifest(document) = &document {
            manifest.image = Some(ImageId::new(document.config.digest.clone()));
        }
        insert_manifest(db, &manifest).map_err(store.metadata_error())?;
    }
    db.execute_batch("DROP TABLE image_manifest").map_err(store.metadata_error())?;
    let images: Vec<(String, String)> = rows(store, db, "SELECT id, id FROM image")?;
    for (id, _) in images {
        let Ok(digest) = id.parse::<Digest>() else { continue };
        let bytes = std::fs::read(store.blob_path(&digest)).unwrap_or_default();
        let Ok(config) = ImageConfig::parse(&bytes) else { continue };
        db.execute("UPDATE image SET platform = ?2 WHERE id = ?1", params![id, config.platform().to_string()])
            .map_err(store.metadata_error())?;
    }
    for table in ["reference", "trash"] {
        point_at_manifests(store, db, table)?;
    }
    Ok(())
}

/// A name with a digest stands for that manifest; a tag for the one that was pulled into its repository with it.
fn point_at_manifests(store: &Store, db: &Transaction<'_>, table: &str) -> Result<()> {
    let names: Vec<(String, String)> =
        rows(store, db, &format!("SELECT name, image FROM {table} ORDER BY is_digest DESC"))?;
    let mut digested: Vec<(String, String, Digest)> = Vec::new();
    for (name, image) in names {
        let Ok(reference) = name.parse::<Reference>() else { continue };
        let repository = reference.repository().canonical();
        let target = match reference.digest() {
            Some(digest) if is_manifest(db, digest).map_err(store.metadata_error())? => {
                digested.push((repository, image.clone(), digest.clone()));
                Some(digest.clone())
            }
            Some(_) => None,
            None => digested
                .iter()
                .find(|(known, of, _)| *known == repository && *of == image)
                .map(|(_, _, digest)| digest.clone()),
        };
        if let Some(target) = target {
            let sql = format!("UPDATE {table} SET target = ?3 WHERE name = ?1 AND image = ?2");
            db.execute(&sql, params![name, image, target.as_str()]).map_err(store.metadata_error())?;
        }
    }
    Ok(())
}

fn rows(store: &Store, db: &Transaction<'_>, sql: &str) -> Result<Vec<(String, String)>> {
    let query = || -> rusqlite::Result<Vec<(String, String)>> {
        db.prepare(sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
    };
    query().map_err(store.metadata_error())
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use wharfie_oci::{Descriptor, ImageId, Platform, Timestamp};

    use super::*;
    use crate::Options;
    use crate::schema::{STEPS, VERSION};
    use crate::store::DATABASE;

    fn options() -> Options {
        Options {
            clock: || Timestamp { seconds: 1_700_000_000, nanos: 0 },
            platform: Platform::host(),
            grace: 0,
            keep_limit: 0,
            keep_free: 0,
            snapshots: None,
            remove: |_| false,
        }
    }

    /// The version that made manifests a graph.
    const GRAPH: usize = 4;

    /// A store as a wharfie of `version` left it, with an image of an index: its documents, a tag and a digest.
    fn store_of(version: usize) -> (tempfile::TempDir, ImageId, Digest) {
        if version > GRAPH - 1 {
            // What is younger than the graph is made by going through it, and taking away what came later.
            let made = store_of(GRAPH - 1);
            drop(Store::open(made.0.path(), options()).unwrap());
            let db = Connection::open(made.0.path().join(DATABASE)).unwrap();
            for table in ["build_step", "build_note", "build_image", "cache_mount", "build"] {
                db.execute_batch(&format!("DROP TABLE {table}")).unwrap();
            }
            db.pragma_update(None, "user_version", version as i64).unwrap();
            return made;
        }
        let place = tempfile::tempdir().unwrap();
        drop(Store::open(place.path(), options()).unwrap());
        for name in ["metadata.db", "metadata.db-wal", "metadata.db-shm"] {
            let _ = std::fs::remove_file(place.path().join(name));
        }
        let put = |text: &str| {
            let digest = Digest::of(text.as_bytes());
            std::fs::create_dir_all(place.path().join("blobs/sha256")).unwrap();
            std::fs::write(place.path().join("blobs/sha256").join(digest.hex()), text).unwrap();
            digest
        };
        let config = r#"{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        let id = put(config);
        let describe =
            |media_type, text: &str| serde_json::to_string(&Descriptor::of(media_type, text.as_bytes())).unwrap();
        let manifest =
            format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, describe(MediaType::OCI_CONFIG, config));
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, describe(MediaType::OCI_MANIFEST, &manifest));
        let (manifest_digest, index_digest) = (put(&manifest), put(&index));
        let db = Connection::open(place.path().join(DATABASE)).unwrap();
        for step in &STEPS[..version] {
            db.execute_batch(step.sql).unwrap();
        }
        for (digest, len) in [(&id, config.len()), (&manifest_digest, manifest.len()), (&index_digest, index.len())] {
            db.execute("INSERT INTO blob (digest, size) VALUES (?1, ?2)", params![digest.as_str(), len]).unwrap();
        }
        db.execute("INSERT INTO image (id, size) VALUES (?1, 0)", [id.as_str()]).unwrap();
        let kinds = [(&manifest_digest, MediaType::OCI_MANIFEST), (&index_digest, MediaType::OCI_INDEX)];
        for (digest, media_type) in kinds {
            db.execute(
                "INSERT INTO image_manifest (image, digest, media_type) VALUES (?1, ?2, ?3)",
                params![id.as_str(), digest.as_str(), media_type.as_str()],
            )
            .unwrap();
        }
        let digested = format!("docker.io/library/web@{index_digest}");
        for (name, is_digest) in [("docker.io/library/web:1", false), (digested.as_str(), true)] {
            db.execute(
                "INSERT INTO reference (name, image, is_digest) VALUES (?1, ?2, ?3)",
                params![name, id.as_str(), is_digest],
            )
            .unwrap();
        }
        db.pragma_update(None, "user_version", version as i64).unwrap();
        (place, ImageId::new(id), index_digest)
    }

    #[test]
    fn stores_of_every_earlier_version_are_brought_up_by_whoever_comes_first() {
        for version in 1..VERSION as usize {
            let (place, id, index) = store_of(version);
            let reader = Store::open_read_only(place.path(), options()).unwrap();
            for name in ["docker.io/library/web:1".to_owned(), format!("docker.io/library/web@{index}")] {
                assert_eq!(reader.target(&name).unwrap().as_ref(), Some(&index), "{name} of version {version}");
                assert_eq!(reader.resolve(&name).unwrap().as_ref(), Some(&id), "{name} of version {version}");
            }
            let variants = reader.variants(&index).unwrap();
            assert_eq!(variants.len(), 1);
            assert_eq!((&variants[0].image, variants[0].platform.to_string().as_str()), (&id, "linux/arm64"));
            drop(reader);
            let store = Store::open(place.path(), options()).unwrap();
            let found: i64 = store.read(|db| db.pragma_query_value(None, "user_version", |row| row.get(0))).unwrap();
            assert_eq!(found, VERSION);
            // What the graph keeps is what was kept before.
            store.collect(crate::gc::Kept::All).unwrap();
            assert_eq!(store.variants(&index).unwrap(), variants);
            assert!(store.blob_path(&index).exists() && store.blob_path(id.digest()).exists());
        }
    }

    #[test]
    fn an_image_whose_documents_are_gone_keeps_its_names() {
        let (place, id, index) = store_of(3);
        std::fs::remove_file(place.path().join("blobs/sha256").join(index.hex())).unwrap();
        let store = Store::open(place.path(), options()).unwrap();
        assert_eq!(store.resolve("docker.io/library/web:1").unwrap().as_ref(), Some(&id));
    }
}
