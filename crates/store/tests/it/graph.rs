//! What keeps what: names, images, indexes, and documents that are about others.

use wharfie_content::Document;
use wharfie_oci::{Descriptor, Digest, ImageId, Manifest, MediaType, Reference};
use wharfie_store::gc::Kept;
use wharfie_store::images::{Name, Recording};
use wharfie_store::trash::Removal;
use wharfie_store::{Lease, NewImage, NewManifest, StoreSink};
use wharfie_testkit::contract::{self, Memory};

use crate::shown::Place;

/// Takes an index of two images in, under a name. Returns their ids, in the order of the index.
fn fill(place: &Place, lease: &Lease<'_>) -> (Descriptor, Vec<ImageId>) {
    let fixture = contract::fixture();
    let copied = contract::copy_all(&Memory::with(&fixture), &StoreSink::new(lease), &fixture.descriptor)
        .expect("the store takes it");
    let mut recording = Recording::default();
    for copied in &copied {
        if let Some(Document { descriptor, content, .. }) = &copied.document {
            let (media_type, digest) = (descriptor.media_type.clone(), descriptor.digest.clone());
            recording.manifests.push(NewManifest::of(media_type, digest, content));
        }
        recording.images.extend(copied.image.as_ref().map(|image| NewImage {
            id: image.id.clone(),
            created: None,
            platform: image.config.platform(),
            layers: image.config.rootfs.diff_ids.clone(),
            parent: None,
        }));
    }
    let name: Reference = "r.example/web:1".parse().expect("it is a name");
    recording.names.push(Name::new(name, fixture.descriptor.digest.clone()));
    lease.record(&recording).expect("all of it is here");
    let variants = place.store.variants(&fixture.descriptor.digest).expect("the store can be read");
    (fixture.descriptor, variants.into_iter().map(|variant| variant.image).collect())
}

fn is_here(place: &Place, digest: &Digest) -> bool {
    place.store.blob_path(digest).exists()
}

#[test]
fn of_an_index_each_image_goes_alone_and_the_name_with_the_last() {
    let place = Place::new();
    let store = &place.store;
    let (index, images) = fill(&place, &store.lease().unwrap());
    let [one, other] = images.as_slice() else { panic!("there are two") };
    let manifest = |id: &ImageId| store.manifests_of(id).unwrap()[0].digest.clone();
    let (first, second) = (manifest(one), manifest(other));
    let layers = |id: &ImageId| store.layers_of(id).unwrap().into_iter().map(|layer| layer.diff_id).collect::<Vec<_>>();
    let (shared, own) = (layers(one)[0].clone(), layers(one)[1].clone());
    assert_eq!(layers(other)[0], shared);

    let meant = store.resolve("r.example/web:1").unwrap().unwrap();
    let removed = store.remove_image(one, Removal::Final).unwrap();
    assert!(removed.names.is_empty(), "the name leads to another");
    store.collect(Kept::All).unwrap();
    assert_eq!(store.resolve("r.example/web:1").unwrap().as_ref(), Some(other));
    assert!(!is_here(&place, &first) && is_here(&place, &second) && is_here(&place, &index.digest));
    assert!(!store.layer_path(&own).exists() && store.layer_path(&shared).exists());
    assert!(images.contains(&meant));

    let removed = store.remove_image(other, Removal::Final).unwrap();
    assert_eq!(removed.names, ["r.example/web:1"]);
    store.collect(Kept::All).unwrap();
    assert!(!is_here(&place, &second) && !is_here(&place, &index.digest) && !store.layer_path(&shared).exists());
    assert_eq!(std::fs::read_dir(store.root().join("blobs/sha256")).unwrap().count(), 0);
}

#[test]
fn a_document_stays_as_long_as_what_it_is_about() {
    let place = Place::new();
    let store = &place.store;
    let lease = store.lease().unwrap();
    let (_, images) = fill(&place, &lease);
    let subject = store.manifests_of(&images[0]).unwrap()[0].clone();
    let config = Descriptor::of(MediaType::new("application/vnd.oci.empty.v1+json"), b"{}");
    let signature = Manifest {
        schema_version: 2,
        media_type: Some(MediaType::OCI_MANIFEST),
        artifact_type: Some("application/x-signature".to_owned()),
        config,
        layers: Vec::new(),
        subject: Some(Descriptor::new(subject.media_type, subject.digest.clone(), 1)),
        annotations: None,
    };
    let bytes = serde_json::to_vec(&signature).unwrap();
    let (digest, part) = (lease.put_blob(&bytes).unwrap(), lease.put_blob(b"{}").unwrap());
    let content = wharfie_oci::manifest::AnyManifest::Manifest(Box::new(signature));
    let manifests = vec![NewManifest::of(MediaType::OCI_MANIFEST, digest.clone(), &content)];
    lease.record(&Recording { manifests, ..Recording::default() }).unwrap();
    drop(lease);

    store.collect(Kept::All).unwrap();
    assert!(is_here(&place, &digest) && is_here(&place, &part));
    let found = store.referrers(&subject.digest).unwrap();
    assert_eq!((found.len(), &found[0].digest), (1, &digest));
    assert_eq!(found[0].artifact_type.as_deref(), Some("application/x-signature"));
    store.remove_image(&images[0], Removal::Final).unwrap();
    store.collect(Kept::All).unwrap();
    assert!(!is_here(&place, &digest) && !is_here(&place, &part));
    assert!(store.referrers(&subject.digest).unwrap().is_empty());
}

#[test]
fn the_manifest_of_an_image_is_about_nothing_else() {
    let place = Place::new();
    let store = &place.store;
    let lease = store.lease().unwrap();
    let (_, images) = fill(&place, &lease);
    let subject = store.manifests_of(&images[0]).unwrap()[0].digest.clone();
    let row = |content: &[u8], image: Option<ImageId>| NewManifest {
        media_type: MediaType::OCI_MANIFEST,
        digest: lease.put_blob(content).unwrap(),
        image,
        subject: Some(subject.clone()),
        artifact_type: None,
        children: Vec::new(),
    };
    let record = |row: &NewManifest| {
        lease.record(&Recording { manifests: vec![row.clone()], ..Recording::default() }).unwrap();
    };
    record(&row(b"image", Some(images[1].clone())));
    assert!(store.referrers(&subject).unwrap().is_empty());
    // Nor is one that came as a document first.
    record(&row(b"mask", None));
    assert_eq!(store.referrers(&subject).unwrap().len(), 1);
    let mask = row(b"mask", Some(images[1].clone()));
    record(&mask);
    assert!(store.referrers(&subject).unwrap().is_empty());
    record(&row(b"mask", None));
    assert!(store.referrers(&subject).unwrap().is_empty());
    assert_eq!(store.manifest(&mask.digest).unwrap().unwrap().image.as_ref(), Some(&images[1]));
}

#[test]
fn what_a_command_is_about_to_use_keeps_its_name() {
    let place = Place::new();
    let store = &place.store;
    let (_, images) = fill(&place, &store.lease().unwrap());
    let name = "r.example/web:1".to_owned();
    let meant = store.resolve(&name).unwrap().unwrap();
    let user = store.lease().unwrap();
    user.hold_all([meant.digest()]).unwrap();
    let doomed = [(name.clone(), meant.clone())];
    let gone = store.remove_names(&doomed, Removal::Final, &|_, _| Vec::new()).unwrap();
    assert_eq!((gone.names.len(), gone.spared), (0, vec![name.clone()]));
    assert_eq!(store.resolve(&name).unwrap(), Some(meant.clone()));
    drop(user);
    let gone = store.remove_names(&doomed, Removal::Final, &|_, _| Vec::new()).unwrap();
    assert_eq!((gone.names.len(), gone.spared.len()), (1, 0));
    assert!(images.contains(&meant) && store.resolve(&name).unwrap().is_none());
}

#[test]
fn a_name_may_stand_for_what_is_no_image() {
    let place = Place::new();
    let store = &place.store;
    let lease = store.lease().unwrap();
    let digest = lease.put_blob(b"whatever it is").unwrap();
    let name: Reference = "r.example/chart:1".parse().unwrap();
    let names = vec![Name::new(name, digest.clone())];
    lease.record(&Recording { names, ..Recording::default() }).unwrap();
    drop(lease);
    store.collect(Kept::All).unwrap();
    assert!(is_here(&place, &digest));
    assert_eq!(store.target("r.example/chart:1").unwrap().as_ref(), Some(&digest));
    // It is no name of an image.
    assert_eq!(store.resolve("r.example/chart:1").unwrap(), None);
    assert!(store.references().unwrap().is_empty());
    store.remove_reference("r.example/chart:1", Removal::Final).unwrap();
    store.collect(Kept::All).unwrap();
    assert!(!is_here(&place, &digest));
}

#[test]
fn what_a_lease_holds_leads_to_is_held() {
    let place = Place::new();
    let store = &place.store;
    let lease = store.lease().unwrap();
    let (index, images) = fill(&place, &store.lease().unwrap());
    lease.hold_all([&index.digest]).unwrap();
    store.remove_reference("r.example/web:1", Removal::Final).unwrap();
    let layers = store.layers_of(&images[0]).unwrap();
    // An image that was removed is kept by nobody but who holds it itself.
    store.collect(Kept::All).unwrap();
    assert!(images.iter().all(|id| is_here(&place, id.digest())));
    assert!(layers.iter().all(|layer| store.layer_path(&layer.diff_id).exists()));
}
