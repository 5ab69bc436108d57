//! Collection: what nobody can reach goes, while others push. `docs/registry.md`, "Collection", has the rules.

use std::collections::{HashMap, HashSet};

use wharfie_oci::retention::{Policy, Reason, Verdict};
use wharfie_oci::{Digest, MediaType};

use crate::document;
use crate::key::{Folder, Key};
use crate::name::{DataId, RepositoryName, Tag};
use crate::parallel::each;
use crate::record::{self, Link, Tagged};
use crate::refusal::Refusal;
use crate::retention::{Standing, apart, judge};
use crate::router::Registry;

/// Whether a collection removes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Collect,
    /// It finds out what would go.
    Rehearse,
}

/// What a collection has removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Tags that policies are about, and what became of each.
    pub verdicts: Vec<Judged>,
    /// Manifests that nothing leads to: repository and digest.
    pub manifests: Vec<(String, Digest)>,
    /// Blobs that no manifest of their repository names: repository and digest.
    pub links: Vec<(String, Digest)>,
    /// Blobs that no repository has any more.
    pub blobs: Vec<Digest>,
    /// Bytes of data that nothing names.
    pub bytes: u64,
    /// Uploads that nobody goes on with.
    pub uploads: usize,
}

/// A tag that a policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its repository.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// What it stands for.
    pub digest: Digest,
    /// Whether it stays, and why.
    pub verdict: Verdict,
}

/// A manifest as the walk sees it.
struct Node {
    children: Vec<Digest>,
    blobs: Vec<Digest>,
    subject: Option<Digest>,
    is_young: bool,
}

/// What is named by links and pointers that stay.
struct Named {
    /// Seconds since 1970: what is younger is kept. Counted from the begin, not from when it is looked at: a collection may
    /// take longer than the grace time, and what came meanwhile is named by records that it has passed already.
    before: i64,
    digests: HashSet<Digest>,
    data: HashSet<DataId>,
}

impl Registry {
    /// Collects once.
    ///
    /// # Errors
    /// When the storage fails; what was removed until then is gone, and nothing else.
    pub(crate) async fn collect(&self, policies: &[Policy], mode: Mode) -> Result<Collected, Refusal> {
        let mut collected = Collected::default();
        let before = self.now().saturating_sub(self.grace);
        let mut named = Named { before, digests: HashSet::new(), data: HashSet::new() };
        for flat in self.all(&Folder::repositories()).await? {
            if let Some(name) = RepositoryName::from_flat(&flat) {
                self.collect_repository(&name, policies, mode, &mut collected, &mut named).await?;
            }
        }
        self.collect_uploads(mode, &mut collected, &mut named).await?;
        self.collect_data(mode, &mut collected, named).await?;
        Ok(collected)
    }

    async fn collect_repository(
        &self,
        name: &RepositoryName,
        policies: &[Policy],
        mode: Mode,
        collected: &mut Collected,
        named: &mut Named,
    ) -> Result<(), Refusal> {
        let mut tags = self.standings(name).await?;
        let nodes = self.nodes(name, named.before).await?;
        let mut beside = Vec::new();
        if let Some(policy) = Policy::of(policies, &[name.as_str()]) {
            (tags, beside) = apart(tags, |subject| nodes.contains_key(subject));
            let mut kept = Vec::new();
            for (standing, verdict) in judge(policy, tags, self.now()) {
                if self.carry_out(name, &standing, verdict, mode, collected).await? {
                    kept.push(standing);
                }
            }
            tags = kept;
        }
        let live = self.walk(name, &tags, &beside, &nodes).await?;
        for (subject, standing) in &beside {
            let verdict = match live.contains(subject) {
                true => Verdict::Stays(Reason::Held(format!("it is about {subject}"))),
                false => Verdict::Goes,
            };
            self.carry_out(name, standing, verdict, mode, collected).await?;
        }
        for digest in nodes.keys().filter(|digest| !live.contains(*digest)) {
            if mode == Mode::Rehearse || self.collect_manifest(name, digest, named.before).await? {
                collected.manifests.push((name.to_string(), digest.clone()));
            }
        }
        let used: HashSet<&Digest> =
            live.iter().filter_map(|digest| nodes.get(digest)).flat_map(|n| &n.blobs).collect();
        let digests = digests(self.all(&Folder::links(name)).await?);
        let links = each(digests, |digest| async move { Ok::<_, Refusal>((self.link(name, &digest).await?, digest)) });
        for (link, digest) in links.await? {
            let key = Key::link(name, &digest);
            let Some(link) = link else { continue };
            if !used.contains(&digest)
                && self.is_old(&key, named.before).await?
                && (mode == Mode::Rehearse || self.delete_old(key, named.before).await?)
            {
                collected.links.push((name.to_string(), digest));
                continue;
            }
            named.data.extend(link.data());
            named.digests.insert(digest);
        }
        if mode == Mode::Collect {
            self.forget_empty(name, named.before).await?;
        }
        Ok(())
    }

    /// All tags of a repository, with what policies ask about.
    pub(crate) async fn standings(&self, name: &RepositoryName) -> Result<Vec<Standing>, Refusal> {
        let tags = self.all(&Folder::tags(name)).await?.into_iter().filter_map(|text| Tag::parse(&text));
        let standings = each(tags, |tag| async move {
            let Some(tagged) = self.tagged(name, &tag).await? else { return Ok::<_, Refusal>(None) };
            let pulled = self.pulled(name, &tag, &tagged.digest).await?;
            let is_immutable = self.is_immutable(name, &tag);
            let tag = tag.as_str().to_owned();
            Ok(Some(Standing { tag, digest: tagged.digest, pushed: tagged.at, pulled, is_immutable }))
        });
        Ok(standings.await?.into_iter().flatten().collect())
    }

    /// Notes what is to be done with a tag, and does it. True if it stays.
    async fn carry_out(
        &self,
        name: &RepositoryName,
        standing: &Standing,
        verdict: Verdict,
        mode: Mode,
        collected: &mut Collected,
    ) -> Result<bool, Refusal> {
        let stays = verdict != Verdict::Goes;
        if !stays && mode == Mode::Collect {
            self.remove_tag(name, standing).await?;
        }
        let (repository, tag, digest) = (name.to_string(), standing.tag.clone(), standing.digest.clone());
        collected.verdicts.push(Judged { repository, tag, digest, verdict });
        Ok(stays)
    }

    /// Removes a tag that a policy does not keep, unless it stands for something else by now.
    async fn remove_tag(&self, name: &RepositoryName, judged: &Standing) -> Result<(), Refusal> {
        let Some(tag) = Tag::parse(&judged.tag) else { return Ok(()) };
        let _alone = self.gate.write().await;
        let is_same = |tagged: &Tagged| tagged.digest == judged.digest && tagged.at == judged.pushed;
        if self.tagged(name, &tag).await?.as_ref().is_some_and(is_same) {
            self.storage.delete(Key::tag(name, &tag)).await?;
        }
        Ok(())
    }

    async fn nodes(&self, name: &RepositoryName, before: i64) -> Result<HashMap<Digest, Node>, Refusal> {
        let digests = digests(self.all(&Folder::manifests(name)).await?);
        let nodes = each(digests, |digest| async move {
            // Its age first: who makes it young again in between has it kept.
            let is_young = !self.is_old(&Key::manifest(name, &digest), before).await?;
            let Some(manifest) = self.manifest(name, &digest).await? else { return Ok::<_, Refusal>(None) };
            let media_type = MediaType::new(&manifest.head.media_type);
            // What a push let in parses. What does not any more ends the collection: nobody knows what it names.
            let document = document::parse(&manifest.bytes, &media_type)?;
            let blobs = [document.blobs, document.elsewhere].concat();
            let node = Node { children: document.children, blobs, subject: document.subject, is_young };
            Ok(Some((digest, node)))
        });
        Ok(nodes.await?.into_iter().flatten().collect())
    }

    /// What the roots lead to. What has a tag about a manifest (`beside`) stays with that.
    async fn walk(
        &self,
        name: &RepositoryName,
        tags: &[Standing],
        beside: &[(Digest, Standing)],
        nodes: &HashMap<Digest, Node>,
    ) -> Result<HashSet<Digest>, Refusal> {
        let mut open: Vec<Digest> = tags.iter().map(|standing| standing.digest.clone()).collect();
        for (digest, node) in nodes {
            let stands_alone = match &node.subject {
                Some(subject) => !nodes.contains_key(subject),
                None => true,
            };
            if node.is_young || (stands_alone && self.was_pushed_by_digest(name, digest).await?) {
                open.push(digest.clone());
            }
        }
        let mut referrers: HashMap<&Digest, Vec<&Digest>> = HashMap::new();
        for (digest, node) in nodes {
            if let Some(subject) = &node.subject {
                referrers.entry(subject).or_default().push(digest);
            }
        }
        for (subject, standing) in beside {
            referrers.entry(subject).or_default().push(&standing.digest);
        }
        let mut live = HashSet::new();
        while let Some(digest) = open.pop() {
            let Some(node) = nodes.get(&digest) else { continue };
            if live.insert(digest.clone()) {
                open.extend(node.children.iter().cloned());
                open.extend(referrers.get(&digest).into_iter().flatten().map(|digest| (*digest).clone()));
            }
        }
        Ok(live)
    }

    /// True for a manifest that never had a tag and never came with an index.
    async fn was_pushed_by_digest(&self, name: &RepositoryName, digest: &Digest) -> Result<bool, Refusal> {
        for folder in [Folder::tagged(name, digest), Folder::children(name, digest)] {
            if !self.storage.list(&folder, None, 1).await?.names.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes a manifest, unless it is young by now. True if it went.
    async fn collect_manifest(&self, name: &RepositoryName, digest: &Digest, before: i64) -> Result<bool, Refusal> {
        let _alone = self.gate.write().await;
        if !self.is_old(&Key::manifest(name, digest), before).await? {
            return Ok(false);
        }
        let Some(manifest) = self.manifest(name, digest).await? else { return Ok(false) };
        self.remove_manifest(name, digest, &manifest).await?;
        Ok(true)
    }

    /// A repository without anything is none. A server beside this one could be filling it: buckets keep the name.
    async fn forget_empty(&self, name: &RepositoryName, before: i64) -> Result<(), Refusal> {
        if !self.storage.is_alone() {
            return Ok(());
        }
        let _alone = self.gate.write().await;
        for folder in [Folder::manifests(name), Folder::links(name), Folder::tags(name)] {
            if !self.storage.list(&folder, None, 1).await?.names.is_empty() {
                return Ok(());
            }
        }
        self.delete_if_old(Key::repository(name), before).await.map(|_| ())
    }

    /// Uploads that nobody has gone on with for a day.
    async fn collect_uploads(&self, mode: Mode, collected: &mut Collected, named: &mut Named) -> Result<(), Refusal> {
        for text in self.all(&Folder::uploads()).await? {
            let Some(id) = DataId::parse(&text) else { continue };
            let noted = self.storage.modified(&Key::upload(&id)).await?;
            let last = noted.max(self.storage.modified(&Key::data(&id)).await?);
            if last.is_some_and(|last| self.now().saturating_sub(last) < ABANDONED.max(self.grace)) {
                named.data.extend(self.storage.data_of(&id).await?);
                continue;
            }
            if mode == Mode::Collect {
                match self.storage.session(&id).await? {
                    Some(session) => session.end(false).await?,
                    None => self.storage.delete(Key::upload(&id)).await?,
                }
            }
            collected.uploads += 1;
        }
        Ok(())
    }

    /// Pointers that no repository needs, then data that nothing names.
    async fn collect_data(&self, mode: Mode, collected: &mut Collected, mut named: Named) -> Result<(), Refusal> {
        let digests = digests(self.all(&Folder::blobs()).await?);
        let pointers = each(digests, |digest| async move {
            let stored = self.storage.get(&Key::blob(&digest)).await?;
            Ok::<_, Refusal>((stored, digest))
        });
        for (stored, digest) in pointers.await? {
            let key = Key::blob(&digest);
            let Some(stored) = stored else { continue };
            let link: Link = record::parse(&stored.bytes, key.as_str())?;
            if !named.digests.contains(&digest)
                && self.is_old(&key, named.before).await?
                && (mode == Mode::Rehearse || self.delete_old(key, named.before).await?)
            {
                collected.blobs.push(digest);
                continue;
            }
            named.data.extend(link.data());
        }
        let condemned: HashSet<String> = self.all(&Folder::condemned()).await?.into_iter().collect();
        let mut gone = condemned.clone();
        let ids = self.all(&Folder::data()).await?.into_iter().filter_map(|text| DataId::parse(&text));
        let (known, before) = (&named.data, named.before);
        let data = each(ids, |id| async move {
            let stays = known.contains(&id)
                || self.storage.modified(&Key::upload(&id)).await?.is_some()
                || !self.is_old(&Key::data(&id), before).await?;
            Ok::<_, Refusal>((id, stays))
        });
        for (id, stays) in data.await? {
            let (text, key) = (id.as_str().to_owned(), Key::data(&id));
            gone.remove(&text);
            if stays {
                if mode == Mode::Collect && condemned.contains(&text) {
                    self.storage.delete(Key::condemned(&id)).await?;
                }
                continue;
            }
            let size = self.storage.size(&key).await?.unwrap_or(0);
            if mode == Mode::Collect
                && !self.storage.is_alone()
                && !self.is_doomed(&id, &condemned, named.before).await?
            {
                continue;
            }
            if mode == Mode::Rehearse || self.delete_old(key, named.before).await? {
                collected.bytes += size;
            }
            if mode == Mode::Collect && condemned.contains(&text) {
                self.storage.delete(Key::condemned(&id)).await?;
            }
        }
        // Another server was faster, or was stopped in between.
        for id in gone.iter().filter_map(|text| DataId::parse(text)).filter(|_| mode == Mode::Collect) {
            self.storage.delete(Key::condemned(&id)).await?;
        }
        Ok(())
    }

    /// True if nobody has named some data for the grace time. A server beside this one may have found its record just before
    /// that went, and name it a moment later: so it is condemned first, and goes when a later collection finds it as it was.
    async fn is_doomed(&self, id: &DataId, condemned: &HashSet<String>, before: i64) -> Result<bool, Refusal> {
        if !condemned.contains(id.as_str()) {
            self.storage.put(Key::condemned(id), Vec::new()).await?;
            return Ok(false);
        }
        self.is_old(&Key::condemned(id), before).await
    }

    /// True if nobody has put or renewed an object since then. What is not there is not old.
    async fn is_old(&self, key: &Key, before: i64) -> Result<bool, Refusal> {
        Ok(self.storage.modified(key).await?.is_some_and(|modified| modified <= before))
    }

    /// Deletes an object, unless somebody has made it young since it was looked at. True if it went.
    async fn delete_old(&self, key: Key, before: i64) -> Result<bool, Refusal> {
        let _alone = self.gate.write().await;
        self.delete_if_old(key, before).await
    }

    /// The same for whoever has the gate.
    async fn delete_if_old(&self, key: Key, before: i64) -> Result<bool, Refusal> {
        let is_old = self.is_old(&key, before).await?;
        if is_old {
            self.storage.delete(key).await?;
        }
        Ok(is_old)
    }
}

fn digests(names: Vec<String>) -> impl Iterator<Item = Digest> {
    names.into_iter().filter_map(|text| text.parse().ok())
}

/// 24 h: how long an upload waits for its client.
const ABANDONED: i64 = 86_400;
