//! Has a certificate, and has another one before it is too old.

use std::sync::Arc;
use std::time::Duration;

use wharfie_oci::Timestamp;

use super::record::{Kept, Turn};
use super::{Acme, Shown, order};
use crate::event::Event;
use crate::key::Key;
use crate::live::Live;
use crate::name::DataId;
use crate::record;
use crate::router::Registry;
use crate::storage::Storage;

/// Shows the certificate that the storage has, if it has one. True if it has.
///
/// # Errors
/// When the storage does not say, or what it has cannot be used.
pub(crate) async fn show_kept(storage: &Storage, acme: &Acme, shown: &Shown) -> Result<bool, String> {
    let Some(kept) = kept(storage, acme).await? else { return Ok(false) };
    shown.show(kept.shown()?);
    Ok(true)
}

/// Looks after the certificate for ever, as the registry is configured then.
pub(crate) async fn keep_certificate(live: Arc<Live>) {
    let mut attempts = Attempts::new();
    loop {
        let replaced = live.replaced.notified();
        tokio::pin!(replaced);
        // What is replaced while an order is under way counts as well.
        replaced.as_mut().enable();
        let registry = live.registry();
        let waiting = async {
            match &registry.acme {
                Some(acme) => tokio::time::sleep(attempts.next(&registry, acme, &live.shown).await).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = waiting => {}
            // Whoever has changed the settings wants to see what comes of it.
            () = replaced => attempts = Attempts::new(),
        }
    }
}

/// What came of looking after the certificate.
enum Done {
    /// It is good for so long.
    Fine(Duration),
    /// Another server sees to it.
    Waits,
}

/// What this server has tried.
struct Attempts {
    /// This server, among those of one storage.
    id: String,
    /// How often in succession it was in vain.
    failures: u32,
}

impl Attempts {
    fn new() -> Self {
        let id = DataId::random().map(|id| id.as_str().to_owned()).unwrap_or_default();
        Self { id, failures: 0 }
    }

    /// Does what is to be done now, and says how long nothing is.
    async fn next(&mut self, registry: &Registry, acme: &Acme, shown: &Shown) -> Duration {
        match self.renew(registry, acme, shown).await {
            Ok(Done::Fine(wait)) => {
                self.failures = 0;
                wait
            }
            Ok(Done::Waits) => acme.unit * LOOK_AGAIN,
            Err(why) => {
                let wait =
                    acme.unit * FAILED[usize::try_from(self.failures).unwrap_or(usize::MAX).min(FAILED.len() - 1)];
                self.failures = self.failures.saturating_add(1);
                let names = acme.options.told();
                let what = format!("cannot get a certificate for {names} from {}: {why}", acme.options.directory);
                registry.note(&Event::Failed { what: format!("{what}; tried again in {wait:?}") });
                wait
            }
        }
    }

    async fn renew(&self, registry: &Registry, acme: &Acme, shown: &Shown) -> Result<Done, String> {
        let storage = &registry.storage;
        let is_due = |kept: &Option<Kept>| kept.as_ref().is_none_or(|kept| kept.renewed_at() <= registry.now());
        let known = match kept(storage, acme).await {
            Ok(known) => known,
            // A record that makes no sense is as good as none; a storage that does not answer is not.
            Err(why) if storage.get(&certificate_key(acme)).await.is_err() => return Err(why),
            Err(_) => None,
        };
        if let Some(known) = &known {
            shown.show(known.shown()?);
        }
        if !is_due(&known) {
            return Ok(Done::Fine(until(known.as_ref(), registry.now())));
        }
        if !self.take_turn(storage, acme, registry.now()).await? {
            return Ok(Done::Waits);
        }
        // Another server may have had the last turn.
        let known = kept(storage, acme).await.ok().flatten();
        let ordered = match is_due(&known) {
            true => order::order(storage, acme).await,
            false => known.ok_or_else(|| "it is gone again".to_owned()),
        };
        let kept = match ordered {
            Ok(kept) => kept,
            Err(why) => {
                let wait = i64::try_from((acme.unit * FAILED[0]).as_secs()).unwrap_or(i64::MAX);
                self.end_turn(storage, acme, Some(registry.now().saturating_add(wait))).await?;
                return Err(why);
            }
        };
        storage.put(certificate_key(acme), record::bytes(&kept)).await.map_err(|why| why.told())?;
        shown.show(kept.shown()?);
        self.end_turn(storage, acme, None).await?;
        let good_until = Timestamp { seconds: kept.until, nanos: 0 };
        registry.note(&Event::Certified { names: acme.options.told(), until: good_until });
        Ok(Done::Fine(until(Some(&kept), registry.now())))
    }

    /// True if it is this server's turn to ask the authority.
    async fn take_turn(&self, storage: &Storage, acme: &Acme, now: i64) -> Result<bool, String> {
        if storage.is_alone() {
            return Ok(true);
        }
        let key = turn_key(acme);
        if let Some(turn) = self.turn(storage, acme).await?
            && turn.by != self.id
            && turn.until > now
            // Whoever starts a server after a failure has done something about it.
            && !(turn.has_failed && self.failures == 0)
        {
            return Ok(false);
        }
        let turn = Turn { by: self.id.clone(), until: now.saturating_add(ORDERING), has_failed: false };
        storage.put(key, record::bytes(&turn)).await.map_err(|why| why.told())?;
        tokio::time::sleep(acme.unit * SETTLING).await;
        Ok(self.turn(storage, acme).await?.is_some_and(|turn| turn.by == self.id))
    }

    /// Lets the others have theirs, at once or, after a failure, later.
    async fn end_turn(&self, storage: &Storage, acme: &Acme, failed_until: Option<i64>) -> Result<(), String> {
        if storage.is_alone() {
            return Ok(());
        }
        let key = turn_key(acme);
        let ended = match failed_until {
            Some(until) => {
                storage.put(key, record::bytes(&Turn { by: self.id.clone(), until, has_failed: true })).await
            }
            None => storage.delete(key).await,
        };
        ended.map_err(|why| why.told())
    }

    async fn turn(&self, storage: &Storage, acme: &Acme) -> Result<Option<Turn>, String> {
        let stored = storage.get(&turn_key(acme)).await.map_err(|why| why.told())?;
        // One that makes no sense is nobody's.
        Ok(stored.and_then(|stored| record::parse(&stored.bytes, "a turn").ok()))
    }
}

async fn kept(storage: &Storage, acme: &Acme) -> Result<Option<Kept>, String> {
    let key = certificate_key(acme);
    let Some(stored) = storage.get(&key).await.map_err(|why| why.told())? else { return Ok(None) };
    let kept: Kept = record::parse(&stored.bytes, key.as_str()).map_err(|why| why.told())?;
    kept.shown()?;
    Ok(Some(kept))
}

fn certificate_key(acme: &Acme) -> Key {
    Key::acme_certificate(&acme.options.id())
}

fn turn_key(acme: &Acme) -> Key {
    Key::acme_turn(&acme.options.id())
}

/// How long a certificate needs no other one. Not longer than an hour: another server may have had one until then.
fn until(kept: Option<&Kept>, now: i64) -> Duration {
    let left = kept.map_or(0, |kept| kept.renewed_at().saturating_sub(now));
    Duration::from_secs(u64::try_from(left).unwrap_or_default().max(1)).min(LOOK)
}

/// 1 min, 5, 15, and then each hour, where the unit is a second: the largest authority takes five failures in an hour.
const FAILED: [u32; 4] = [60, 300, 900, 3600];
/// 1 h.
const LOOK: Duration = Duration::from_secs(3600);
/// 5 s, while another server orders.
const LOOK_AGAIN: u32 = 5;
/// 2 s: then whoever took the turn at the same time has written so.
const SETTLING: u32 = 2;
/// 10 min: longer than an order takes; then whoever had the turn has been killed.
const ORDERING: i64 = 600;
