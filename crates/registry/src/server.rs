//! Sockets and connections: begins with [`Server::start`], ends with [`Server::stop`].

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wharfie_oci::{Fault, Kind};

use crate::acme::{self, Acme, Shown, keep_certificate};
use crate::answer::{Request, User, answer, refused};
use crate::auth::Access;
use crate::auth::token::{Signer, random_key};
use crate::body::{Body, Inbound};
use crate::config::Config;
use crate::event::Event;
use crate::key::{Folder, Key};
use crate::live::Live;
use crate::maintenance::keep_in_order;
use crate::patient::Patient;
use crate::plain;
use crate::query::Query;
use crate::refusal::{Code, Refusal};
use crate::router::Registry;
use crate::storage::{self, Holding, Place, Storage};
use crate::upstream;
use crate::webhooks::Webhooks;
use crate::wire::{Outlet, Wire};

/// Why a registry does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Somebody else listens there, or nobody may.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Its directory cannot be used.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// Its bucket cannot.
    #[error("cannot use the bucket {name}")]
    Bucket {
        /// Its name.
        name: String,
        /// Why.
        source: storage::Error,
    },
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] crate::tls::Error),
    /// No authorities of the system can be read, and without any nobody else can be reached.
    #[error("cannot read the system's certificates")]
    Authorities(#[source] io::Error),
    /// Looking after the storage failed.
    #[error("{0}")]
    Maintenance(String),
    /// The system gives no threads or sockets.
    #[error("cannot start threads")]
    Threads(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Listen { source, .. } => of_io(source),
            Self::Storage(why) => of_io(why.io()),
            Self::Bucket { .. } => Kind::Unavailable,
            Self::Tls(_) => Kind::Invalid,
            Self::Threads(_) | Self::Maintenance(_) | Self::Authorities(_) => Kind::Unavailable,
        }
    }

    fn help(&self) -> Option<String> {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                Some("choose another port with --address, or stop what listens there".to_owned())
            }
            Self::Storage(why) if why.io().kind() == io::ErrorKind::ResourceBusy => {
                Some("one server has a directory at a time: stop the other one, or choose another --root".to_owned())
            }
            Self::Bucket { .. } => Some(
                "see that the service answers at its endpoint, that it has the bucket, and that the keys are good for it".to_owned(),
            ),
            Self::Listen { .. } | Self::Storage(_) | Self::Tls(_) | Self::Maintenance(_) | Self::Threads(_) | Self::Authorities(_) => None,
        }
    }
}

fn of_io(why: &io::Error) -> Kind {
    match why.kind() {
        io::ErrorKind::AddrInUse | io::ErrorKind::ResourceBusy => Kind::InUse,
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::AddrNotAvailable => Kind::Invalid,
        _ => Kind::Unavailable,
    }
}

/// A registry that serves, until it is stopped or dropped.
pub struct Server {
    runtime: Runtime,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    accepting: Vec<tokio::task::JoinHandle<()>>,
    live: Arc<Live>,
    patience: Duration,
}

impl Server {
    /// Opens the storage, listens and begins to serve.
    ///
    /// # Errors
    /// When the storage cannot be used, or an address cannot be listened on.
    pub fn start(config: &Config) -> Result<Self, Error> {
        let shown = Arc::<Shown>::default();
        let acceptor = config.tls.as_ref().map(|tls| tls.acceptor(&shown)).transpose()?;
        let storage = Storage::open(&config.place, Holding::Alone)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_io()
            .enable_time()
            .thread_name("registry")
            .max_blocking_threads(BLOCKING_THREADS + upstream::THREADS * config.caches.len())
            .build()
            .map_err(Error::Threads)?;
        // Wrong keys and names are told to whoever starts it, not to each client.
        if let Place::Bucket(options) = &config.place {
            let listed = runtime.block_on(storage.list(&Folder::repositories(), None, 1));
            listed.map_err(|source| Error::Bucket { name: options.name.clone(), source })?;
        }
        let signer = runtime.block_on(signer(config, &storage))?;
        let mut registry = Registry::new(config, storage, signer);
        registry.webhooks = webhooks(config, &runtime, &registry.webhooks)?;
        if let Some(acme) = &registry.acme {
            // What is wrong with it is told by whoever looks after it, again and again.
            let _shown = runtime.block_on(acme::show_kept(&registry.storage, acme, &shown));
        }
        let live = Arc::new(Live::new(Arc::new(registry), acceptor, shown));
        let (stop, stopped) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(config.limits.connections));
        let (mut addresses, mut accepting) = (Vec::new(), Vec::new());
        let shared = Shared { live: Arc::clone(&live), connections, door: Door::Registry };
        for address in &config.addresses {
            let (bound, accept) = listen(&runtime, *address, shared.clone(), &stopped)?;
            addresses.push(bound);
            accepting.push(accept);
            let registry = live.registry();
            registry.note(&Event::Listening { address: bound, is_secure: registry.is_secure });
        }
        let port = addresses.first().map_or(0, SocketAddr::port);
        let proving = live.registry().acme.as_ref().map(|acme| acme.options.http_addresses.clone());
        let shared = Shared {
            live: Arc::clone(&live),
            connections: Arc::new(Semaphore::new(PROVING)),
            door: Door::Proofs { port },
        };
        for address in proving.unwrap_or_default() {
            let (bound, accept) = listen(&runtime, address, shared.clone(), &stopped)?;
            accepting.push(accept);
            live.registry().note(&Event::Proving { address: bound });
        }
        // It ends with the runtime; a collection that is cut off has removed what it has, and nothing by halves.
        runtime.spawn(keep_in_order(Arc::clone(&live)));
        runtime.spawn(keep_certificate(Arc::clone(&live)));
        Ok(Self { runtime, addresses, stop, accepting, live, patience: config.patience })
    }

    /// Goes by another configuration from now on: everything but the addresses, the place, the number of connections and
    /// how long it waits at its end. Requests that are under way go on as they began.
    ///
    /// # Errors
    /// When the configuration cannot be used; then nothing changes.
    pub fn reconfigure(&self, config: &Config) -> Result<(), Error> {
        let acceptor = config.tls.as_ref().map(|tls| tls.acceptor(&self.live.shown)).transpose()?;
        let registry = self.live.registry();
        let signer = self.runtime.block_on(signer(config, &registry.storage))?;
        let mut new = registry.reconfigured(config, signer);
        new.webhooks = webhooks(config, &self.runtime, &registry.webhooks)?;
        self.live.replace(Arc::new(new), acceptor);
        Ok(())
    }

    /// Where it listens, with the ports that were found.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, lets requests end as long as it was told to wait, and ends.
    pub fn stop(self) {
        let registry = self.live.registry();
        registry.note(&Event::Ending);
        // Without receivers there is nobody to tell.
        let _told = self.stop.send(true);
        let ended = async {
            for accepting in self.accepting {
                let _ended = accepting.await;
            }
            while registry.webhooks.pending() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        let _in_time = self.runtime.block_on(async { tokio::time::timeout(self.patience, ended).await });
        if let pending @ 1.. = registry.webhooks.pending() {
            registry.note(&Event::Failed { what: format!("{pending} events for webhooks are not delivered") });
        }
        self.runtime.shutdown_timeout(Duration::from_secs(1));
    }
}

/// What tokens are signed with, if there are any: the same key after a restart, and for all servers of one storage.
async fn signer(config: &Config, storage: &Storage) -> Result<Signer, Error> {
    if matches!(*config.access, Access::Open) {
        return Ok(Signer::new(b""));
    }
    if let Some(stored) = storage.get(&Key::token_key()).await? {
        return Ok(Signer::new(&stored.bytes));
    }
    let key = random_key().ok_or_else(|| Error::Threads(io::Error::other("no random bytes can be had")))?;
    storage.put(Key::token_key(), key.to_vec()).await?;
    Ok(Signer::new(&key))
}

/// Begins to deliver to whoever wants to know.
fn webhooks(config: &Config, runtime: &Runtime, before: &Webhooks) -> Result<Webhooks, Error> {
    let _within = runtime.enter();
    Webhooks::start(&config.webhooks, before, config.retry_unit, &config.log).map_err(Error::Authorities)
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    live: Arc<Live>,
    connections: Arc<Semaphore>,
    door: Door,
}

/// What is behind an address.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// The registry.
    Registry,
    /// What an authority looks at that gives certificates; everybody else is sent to the registry, at this port.
    Proofs { port: u16 },
}

/// Listens, and begins to accept.
fn listen(
    runtime: &Runtime,
    address: SocketAddr,
    shared: Shared,
    stopped: &watch::Receiver<bool>,
) -> Result<(SocketAddr, tokio::task::JoinHandle<()>), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let within = runtime.enter();
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    drop(within);
    Ok((bound, runtime.spawn(accept(listener, shared, stopped.clone()))))
}

/// Accepts connections until it is told to stop, then waits for those that are open.
async fn accept(listener: tokio::net::TcpListener, shared: Shared, mut stopped: watch::Receiver<bool>) {
    let mut serving = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&shared.connections).acquire_owned().await;
            (listener.accept().await, permit)
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            () = told(&mut stopped) => break,
        };
        match accepted {
            (Ok((stream, client)), Ok(permit)) => {
                let (shared, stopped) = (shared.clone(), stopped.clone());
                serving.spawn(async move {
                    agree(stream, client, shared, stopped).await;
                    drop(permit);
                });
            }
            (Err(why), _) => {
                // A client that is gone already, or too many descriptors: neither ends the server.
                shared.live.registry().note(&Event::Failed { what: format!("cannot accept a connection: {why}") });
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            (_, Err(_)) => break,
        }
        while serving.try_join_next().is_some() {}
    }
    drop(listener);
    while serving.join_next().await.is_some() {}
}

/// Waits until the server is told to stop, or is gone.
async fn told(stopped: &mut watch::Receiver<bool>) {
    let _told_or_gone = stopped.wait_for(|is_stopped| *is_stopped).await.is_ok();
}

/// Agrees on encryption, if there is to be any, and serves.
async fn agree(stream: TcpStream, client: SocketAddr, shared: Shared, stopped: watch::Receiver<bool>) {
    // Answers are written whole: waiting for more to send only delays them.
    let _slower = stream.set_nodelay(true);
    let live = &shared.live;
    let acceptor = live.acceptor().filter(|_| matches!(shared.door, Door::Registry));
    let Some(acceptor) = acceptor else {
        let wire = Wire::new(stream);
        let outlet = wire.outlet();
        let wire = Patient::new(wire, live.registry().limits.idle);
        return connection(TokioIo::new(wire), Some(outlet), client, shared, stopped).await;
    };
    let registry = live.registry();
    if matches!(tokio::time::timeout(registry.limits.head, plain::is_plain(&stream)).await, Ok(true)) {
        let told = plain::refuse(stream);
        // How it ends matters to its client only.
        let _in_time = tokio::time::timeout(registry.limits.head, told).await;
        return;
    }
    let agreeing = async {
        match registry.acme.as_ref().is_some_and(Acme::is_proven_by_tls) {
            true => acme::accept(&registry, &acceptor, stream).await,
            false => acceptor.accept(stream).await.map(Some),
        }
    };
    // Who takes too long, or speaks something else, matters to nobody but himself.
    if let Ok(Ok(Some(stream))) = tokio::time::timeout(registry.limits.head, agreeing).await {
        let stream = Patient::new(stream, registry.limits.idle);
        connection(TokioIo::new(stream), None, client, shared, stopped).await;
    }
}

async fn connection<S: hyper::rt::Read + hyper::rt::Write + Unpin + 'static>(
    stream: S,
    outlet: Option<Outlet>,
    client: SocketAddr,
    Shared { live, door, .. }: Shared,
    mut stopped: watch::Receiver<bool>,
) {
    let limits = live.registry().limits;
    let service = service_fn(move |request| {
        let (registry, outlet) = (live.registry(), outlet.clone());
        async move {
            let answered = match door {
                Door::Registry => serve(registry, client, request).await,
                Door::Proofs { port } => prove(&registry, port, client, &request).await,
            };
            Ok::<_, Infallible>(answered.map(|body| body.over(outlet.as_ref())))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .max_headers(limits.headers)
        .writev(true)
        .serve_connection(stream, service);
    tokio::pin!(connection);
    tokio::select! {
        // How a connection ends matters to its client only.
        _ = connection.as_mut() => {}
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            let _ended = connection.await;
        }
    }
}

/// Answers one request. Work that changes something is a task of its own: it goes on to its end when the client leaves.
async fn serve(registry: Arc<Registry>, client: SocketAddr, request: hyper::Request<Incoming>) -> Response<Body> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let (method, target) = (head.method.clone(), head.uri.to_string());
    let working = Arc::clone(&registry);
    let is_read = method == Method::GET || method == Method::HEAD;
    let work = async move {
        let idle = working.limits.idle;
        let Some(query) = Query::parse(head.uri.query().unwrap_or_default()) else {
            return refused(&Refusal::new(Code::Unsupported, "the query makes no sense").with_status(400));
        };
        let body = Inbound::new(body, idle);
        let (method, headers, user) = (head.method, head.headers, OnceLock::new());
        let request = Request { method, headers, client, user, query, body };
        working.handle(head.uri.path(), request).await
    };
    let response = match is_read {
        // Nothing is left half done by a client that leaves while it is only read.
        true => work.await,
        false => tokio::spawn(work).await.unwrap_or_else(|why| {
            registry.note(&Event::Failed { what: format!("a defect: {why}") });
            answer(StatusCode::INTERNAL_SERVER_ERROR)
                .bytes("application/json", Refusal::new(Code::Unknown, "a defect of this registry").body())
        }),
    };
    let took = start.elapsed();
    registry.metrics.answered(&method, response.status(), took);
    let (status, method) = (response.status().as_u16(), method.to_string());
    let user = response.extensions().get::<User>().map(|User(user)| user.clone()).unwrap_or_default();
    registry.note(&Event::Answered { client, user, method, target, status, took });
    response
}

/// Answers what comes without encryption to a registry that gets certificates.
async fn prove(
    registry: &Registry,
    port: u16,
    client: SocketAddr,
    request: &hyper::Request<Incoming>,
) -> Response<Body> {
    let start = Instant::now();
    let response = acme::answer(registry, port, request).await;
    let (method, target, status) =
        (request.method().to_string(), request.uri().to_string(), response.status().as_u16());
    let (user, took) = (String::new(), start.elapsed());
    registry.note(&Event::Answered { client, user, method, target, status, took });
    response
}

/// 64: an authority asks a few times, from several places.
const PROVING: usize = 64;
/// 20 ms: how often it is looked whether everything is delivered, at the end.
const LOOK: Duration = Duration::from_millis(20);
/// 64: threads that wait for the disk; more only wait for each other.
const BLOCKING_THREADS: usize = 64;
