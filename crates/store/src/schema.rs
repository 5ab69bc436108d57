//! The metadata's tables. What they mean is specified in `docs/store.md`.

use rusqlite::Transaction;

use crate::error::Result;
use crate::migration;
use crate::store::Store;

/// The format this wharfie writes. Raised with every change that an older wharfie would misread.
pub(crate) const VERSION: i64 = 5;

/// One step up: tables change first, and what statements cannot say is filled in afterwards.
pub(crate) struct Step {
    /// Statements.
    pub(crate) sql: &'static str,
    /// Reads what the new tables need from the files of the store.
    pub(crate) fill: Option<fn(&Store, &Transaction<'_>) -> Result<()>>,
}

/// What brings a database from each version up to the next one, from none at all on.
pub(crate) const STEPS: [Step; VERSION as usize] = [
    Step { sql: CREATE, fill: None },
    Step { sql: FROM_1, fill: None },
    Step { sql: FROM_2, fill: None },
    Step { sql: FROM_3, fill: Some(migration::fill_graph) },
    Step { sql: FROM_4, fill: None },
];

/// Brings a database of version 4 up to version 5: builds leave something behind.
const FROM_4: &str = "
CREATE TABLE build_step (
    key TEXT PRIMARY KEY,
    diff_id TEXT,
    size INTEGER NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    text TEXT NOT NULL,
    kind TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE build_note (name TEXT PRIMARY KEY, value BLOB NOT NULL, used INTEGER NOT NULL);
CREATE TABLE build_image (key TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE cache_mount (
    directory TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    created INTEGER NOT NULL,
    used INTEGER NOT NULL,
    uses INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE build (
    id TEXT PRIMARY KEY,
    started INTEGER NOT NULL,
    finished INTEGER,
    document TEXT NOT NULL
) WITHOUT ROWID;
";

/// Brings a database of version 3 up to version 4: names stand for manifests and indexes, whose edges are rows.
/// `migration::fill_graph` reads the documents and then drops what they replace.
const FROM_3: &str = "
CREATE TABLE manifest (
    digest TEXT PRIMARY KEY,
    media_type TEXT NOT NULL,
    image TEXT,
    subject TEXT,
    artifact_type TEXT
) WITHOUT ROWID;
CREATE INDEX manifest_of_image ON manifest (image);
CREATE INDEX manifest_of_subject ON manifest (subject) WHERE subject IS NOT NULL;
CREATE TABLE edge (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    position INTEGER NOT NULL,
    platform TEXT,
    PRIMARY KEY (parent, child)
) WITHOUT ROWID;
CREATE INDEX edge_of_child ON edge (child);
CREATE TABLE hold (owner TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (owner, digest)) WITHOUT ROWID;
INSERT OR IGNORE INTO hold (owner, digest) SELECT lease, substr(key, instr(key, ' ') + 1) FROM lease_item;
DROP TABLE lease_item;
ALTER TABLE image ADD COLUMN platform TEXT NOT NULL DEFAULT '';
ALTER TABLE reference RENAME TO old_reference;
DROP INDEX reference_of_image;
CREATE TABLE reference (
    name TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    image TEXT,
    is_digest INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX reference_of_image ON reference (image);
CREATE INDEX reference_of_target ON reference (target);
CREATE INDEX image_of_parent ON image (parent) WHERE parent IS NOT NULL;
CREATE INDEX image_removed ON image (removed_at) WHERE removed_at IS NOT NULL;
INSERT INTO reference (name, target, image, is_digest) SELECT name, image, image, is_digest FROM old_reference;
DROP TABLE old_reference;
ALTER TABLE trash ADD COLUMN target TEXT NOT NULL DEFAULT '';
UPDATE trash SET target = image;
";

/// Brings a database of version 1 up to version 2.
const FROM_1: &str = "
CREATE TABLE seam (chain_id TEXT PRIMARY KEY, layer TEXT NOT NULL, diff_id TEXT NOT NULL) WITHOUT ROWID;
";

/// Brings a database of version 2 up to version 3.
const FROM_2: &str = "
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    kind TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    attributes TEXT NOT NULL
);
";

/// The tables of version 1, in an empty database.
const CREATE: &str = "
CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blob (digest TEXT PRIMARY KEY, size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE layer (
    diff_id TEXT PRIMARY KEY,
    tar_size INTEGER NOT NULL,
    content_size INTEGER NOT NULL,
    file_size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE layer_blob (
    digest TEXT PRIMARY KEY,
    diff_id TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX layer_blob_of_layer ON layer_blob (diff_id);
CREATE TABLE blob_origin (
    digest TEXT NOT NULL,
    host TEXT NOT NULL,
    path TEXT NOT NULL,
    PRIMARY KEY (digest, host, path)
) WITHOUT ROWID;
CREATE TABLE image (
    id TEXT PRIMARY KEY,
    created INTEGER,
    size INTEGER NOT NULL,
    parent TEXT,
    tagged_at INTEGER,
    removed_at INTEGER
) WITHOUT ROWID;
CREATE TABLE image_layer (
    image TEXT NOT NULL,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    chain_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
) WITHOUT ROWID;
CREATE INDEX image_layer_of_layer ON image_layer (diff_id);
CREATE TABLE image_manifest (
    image TEXT NOT NULL,
    digest TEXT NOT NULL,
    media_type TEXT NOT NULL,
    PRIMARY KEY (image, digest)
) WITHOUT ROWID;
CREATE TABLE reference (
    name TEXT PRIMARY KEY,
    image TEXT NOT NULL,
    is_digest INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX reference_of_image ON reference (image);
CREATE TABLE trash (
    name TEXT NOT NULL,
    image TEXT NOT NULL,
    is_digest INTEGER NOT NULL,
    removed_at INTEGER NOT NULL,
    PRIMARY KEY (name, image)
) WITHOUT ROWID;
CREATE TABLE lease (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE lease_item (lease TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (lease, key)) WITHOUT ROWID;
CREATE TABLE container (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL,
    created INTEGER NOT NULL,
    settings TEXT NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX container_of_image ON container (image);
CREATE TABLE container_layer (
    container TEXT NOT NULL,
    position INTEGER NOT NULL,
    diff_id TEXT NOT NULL,
    PRIMARY KEY (container, position)
) WITHOUT ROWID;
CREATE TABLE volume (
    name TEXT PRIMARY KEY,
    created INTEGER NOT NULL,
    labels TEXT NOT NULL,
    is_anonymous INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE container_volume (
    container TEXT NOT NULL,
    volume TEXT NOT NULL,
    PRIMARY KEY (container, volume)
) WITHOUT ROWID;
CREATE TABLE mount (target TEXT PRIMARY KEY, image TEXT NOT NULL) WITHOUT ROWID;
";
