//! A service that keeps buckets, for the tests of whatever is kept in one. Which service says [`ENGINE`]: `cargo test` takes
//! the quick one, `cargo xtask test-s3` all of them.

use std::net::TcpStream;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::garage::{self, Garage};
use crate::moto::Moto;
use crate::needs;

/// The variable that names the service: `moto`, `garage`, `garage-3`, or `garage-3-disturbed`, where one of three nodes is away
/// most of the time.
pub const ENGINE: &str = "WHARFIE_TEST_S3";

/// The service; it ends with this process.
#[derive(Debug)]
pub struct Buckets(Engine);

#[derive(Debug)]
enum Engine {
    Moto(Moto),
    Garage(Garage),
}

impl Buckets {
    /// The service of this process, started when it is asked for first; `None`, and said, where it is not installed.
    ///
    /// # Panics
    /// When the variable names another service.
    pub fn get() -> Option<&'static Self> {
        static BUCKETS: OnceLock<Option<Buckets>> = OnceLock::new();
        let buckets = BUCKETS.get_or_init(|| Self::start(&variable(ENGINE).unwrap_or_default())).as_ref();
        if buckets.is_none() {
            needs::skipped("there is no service that keeps buckets");
        }
        buckets
    }

    fn start(engine: &str) -> Option<Self> {
        let garage = |count| Garage::start(count).map(Engine::Garage);
        let engine = match engine {
            "" | "moto" => Moto::start().map(Engine::Moto),
            "garage" => garage(1),
            "garage-3" => garage(3),
            "garage-3-disturbed" => garage(3).inspect(|engine| {
                if let Engine::Garage(garage) = engine {
                    garage.disturb();
                }
            }),
            other => panic!("{ENGINE} is {other:?}, which is no service"),
        };
        engine.map(Self)
    }

    /// Where it is, as `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        let port = match &self.0 {
            Engine::Moto(moto) => moto.port,
            Engine::Garage(garage) => garage.port(),
        };
        format!("http://127.0.0.1:{port}")
    }

    /// The key that it takes, and its secret.
    pub fn keys(&self) -> (&'static str, &'static str) {
        match self.0 {
            Engine::Moto(_) => ("access-key", "secret-key"),
            Engine::Garage(_) => (garage::ACCESS_KEY, garage::SECRET_KEY),
        }
    }

    /// Makes a bucket.
    ///
    /// # Panics
    /// When the service refuses.
    pub fn make_bucket(&self, name: &str) {
        match &self.0 {
            Engine::Moto(moto) => moto.make_bucket(name),
            Engine::Garage(garage) => garage.make_bucket(name),
        }
    }
}

/// What whoever runs the tests says.
#[expect(clippy::disallowed_methods, reason = "the tests' own environment, which no product code reads")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Waits until something listens at a port; false if nothing does for a minute.
pub(crate) fn is_listening(port: u16) -> bool {
    (0..600).any(|_| {
        thread::sleep(Duration::from_millis(100));
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    })
}

/// Says why there is no service.
pub(crate) fn skip<T>(why: &str) -> Option<T> {
    needs::skipped(why);
    None
}
