//! Large blobs in parallel ranges: several connections fetch parts, the reader gets them in order.
//!
//! Memory is bounded over all blobs of the process: parts come out of one [`Budget`]. A blob holds its share from its first
//! part to its last, so blobs never wait for each other's readers; whoever finds no room is read over one connection.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use wharfie_oci::Descriptor;

use crate::blobs::{Origin, Wanted};
use crate::remote::Inner;
use crate::response::Response;
use crate::{ConnectionError, Error};

/// 1 MiB: a part. Long enough to pay for its request, short enough to hold several.
pub(crate) const CHUNK: u64 = 1 << 20;
/// 8 parts, thus 8 MiB in all: a quarter of what the whole process may take.
const PARTS: usize = 8;

/// How many more parts may be in memory.
pub(crate) struct Budget(Mutex<usize>);

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(PARTS))
    }
}

impl Budget {
    /// True if a blob that asks now gets something.
    pub(crate) fn has_room(&self) -> bool {
        *self.0.lock().expect("no holder panics") >= 2
    }

    fn reserve(self: &Arc<Self>, wanted: usize) -> Option<Share> {
        let mut free = self.0.lock().expect("no holder panics");
        let parts = wanted.min(*free);
        if parts < 2 {
            return None;
        }
        *free -= parts;
        Some(Share { budget: Arc::clone(self), parts })
    }
}

/// Parts that one blob may have in memory; given back when the last of its threads is done.
struct Share {
    budget: Arc<Budget>,
    parts: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.budget.0.lock().expect("no holder panics") += self.parts;
    }
}

/// A blob on its way over several connections.
pub(crate) struct Ranges {
    shared: Arc<Shared>,
    current: Vec<u8>,
    consumed: usize,
    next: u64,
}

struct Shared {
    inner: Arc<Inner>,
    origin: Origin,
    blob: Descriptor,
    state: Mutex<State>,
    changed: Condvar,
    _share: Share,
}

struct State {
    /// The next part that nobody fetches yet.
    unclaimed: u64,
    free: Vec<Vec<u8>>,
    arrived: BTreeMap<u64, Vec<u8>>,
    /// The first part that could not be fetched. Those before it were claimed earlier and still arrive.
    failure: Option<(u64, Error)>,
    is_abandoned: bool,
}

/// Goes on from `first`, which answered a request for the first part. `None` if there is no room any more.
pub(crate) fn start(inner: &Arc<Inner>, origin: &Origin, blob: &Descriptor, first: Response) -> Option<Ranges> {
    let jobs = inner.transport.config().jobs;
    let share = inner.budget.reserve(jobs)?;
    let jobs = share.parts;
    // Where the registry sent us may be asked directly for the rest: it is a URL that proves itself.
    let direct = match origin {
        Origin::Registry { endpoint, .. } if first.url.origin() != endpoint.base.origin() => {
            Some(Origin::Elsewhere(first.url.clone()))
        }
        _ => None,
    };
    let shared = Arc::new(Shared {
        inner: Arc::clone(inner),
        origin: origin.clone(),
        blob: blob.clone(),
        state: Mutex::new(State {
            unclaimed: 1,
            free: (1..jobs).map(|_| Vec::new()).collect(),
            arrived: BTreeMap::new(),
            failure: None,
            is_abandoned: false,
        }),
        changed: Condvar::new(),
        _share: share,
    });
    let mut first = Some(first);
    for _ in 0..jobs {
        let (shared, direct, first) = (Arc::clone(&shared), direct.clone(), first.take());
        let is_needed = first.is_some();
        let spawned = std::thread::Builder::new().spawn(move || shared.work(direct, first));
        // The first thread has the first part; fewer of the others only make it slower.
        if is_needed && spawned.is_err() {
            return None;
        }
    }
    Some(Ranges { shared, current: Vec::new(), consumed: 0, next: 0 })
}

impl Ranges {
    /// The next bytes; 0 at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.consumed == self.current.len() {
            if self.next == self.shared.parts() {
                return Ok(0);
            }
            self.turn()?;
        }
        let rest = &self.current[self.consumed..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.consumed += n;
        Ok(n)
    }

    /// Gives the read part back and waits for the next.
    fn turn(&mut self) -> Result<(), Error> {
        let mut state = self.shared.state();
        let used = std::mem::take(&mut self.current);
        if used.capacity() > 0 {
            state.free.push(used);
            self.shared.changed.notify_all();
        }
        self.consumed = 0;
        loop {
            if let Some(part) = state.arrived.remove(&self.next) {
                self.next += 1;
                self.current = part;
                return Ok(());
            }
            if let Some((_, why)) = state.failure.take_if(|(part, _)| *part == self.next) {
                return Err(why);
            }
            state = self.shared.changed.wait(state).expect("no holder panics");
        }
    }
}

impl Drop for Ranges {
    fn drop(&mut self) {
        self.shared.state().is_abandoned = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn parts(&self) -> u64 {
        self.blob.size.div_ceil(CHUNK)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    /// What each thread does: take the next part and an empty buffer, fill it, hand it over.
    fn work(&self, mut direct: Option<Origin>, first: Option<Response>) {
        if let Some(response) = first {
            self.hand_over(0, self.receive(0, response, Vec::new()));
        }
        while let Some((part, buffer)) = self.claim() {
            self.hand_over(part, self.fetch(part, buffer, &mut direct));
        }
    }

    fn claim(&self) -> Option<(u64, Vec<u8>)> {
        let mut state = self.state();
        loop {
            if state.is_abandoned || state.failure.is_some() || state.unclaimed == self.parts() {
                return None;
            }
            if let Some(buffer) = state.free.pop() {
                state.unclaimed += 1;
                return Some((state.unclaimed - 1, buffer));
            }
            state = self.changed.wait(state).expect("no holder panics");
        }
    }

    fn fetch(&self, part: u64, buffer: Vec<u8>, direct: &mut Option<Origin>) -> Result<Vec<u8>, Error> {
        let (from, last) = self.bounds(part);
        let wanted = Wanted::Part(from, last);
        let response = match direct.as_ref().map(|direct| direct.get(&self.inner, &self.blob, wanted)) {
            Some(Ok(response)) => response,
            // The URL may have expired: the registry gives out another one.
            Some(Err(_)) | None => {
                *direct = None;
                self.origin.get(&self.inner, &self.blob, wanted)?
            }
        };
        if response.status != 206 {
            return Err(broken(response.url.without_query().to_string(), std::io::ErrorKind::InvalidData));
        }
        self.receive(part, response, buffer)
    }

    fn receive(&self, part: u64, response: Response, mut buffer: Vec<u8>) -> Result<Vec<u8>, Error> {
        let (from, last) = self.bounds(part);
        let size = usize::try_from(last + 1 - from).expect("a part fits into memory");
        let url = response.url.without_query().to_string();
        buffer.resize(size, 0);
        let mut body = response.into_body();
        let mut filled = 0;
        while filled < size {
            if self.state().is_abandoned {
                break;
            }
            match body.read(&mut buffer[filled..]) {
                Ok(0) => return Err(broken(url, std::io::ErrorKind::UnexpectedEof)),
                Ok(n) => filled += n,
                Err(why) => return Err(broken(url, why.kind())),
            }
        }
        Ok(buffer)
    }

    fn hand_over(&self, part: u64, result: Result<Vec<u8>, Error>) {
        let mut state = self.state();
        match result {
            Ok(buffer) => {
                state.arrived.insert(part, buffer);
            }
            Err(why) => {
                if state.failure.as_ref().is_none_or(|(first, _)| part < *first) {
                    state.failure = Some((part, why));
                }
            }
        }
        drop(state);
        self.changed.notify_all();
    }

    /// First and last byte of a part.
    fn bounds(&self, part: u64) -> (u64, u64) {
        (part * CHUNK, ((part + 1) * CHUNK).min(self.blob.size) - 1)
    }
}

fn broken(url: String, kind: std::io::ErrorKind) -> Error {
    Error::Connection { method: "Get", url, cause: ConnectionError::Broken(kind.into()) }
}
