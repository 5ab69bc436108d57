//! How the authority is asked: with the client that this registry has for everything else.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::RootCertStore;

use crate::client::{HttpsClient, https_client, https_client_trusting, reasons};
use crate::tls::certificates;

type Client = HttpsClient<BodyWrapper<Bytes>>;

/// Answers whole, bounded in size and in time.
pub(super) struct Http(Client);

impl Http {
    /// Trusts `authorities`, PEM, or the system's.
    ///
    /// # Errors
    /// When there are none.
    pub(super) fn new(authorities: Option<&[u8]>) -> Result<Self, String> {
        let Some(text) = authorities else {
            return https_client().map(Self).map_err(|why| format!("cannot read the system's certificates: {why}"));
        };
        let mut roots = RootCertStore::empty();
        for certificate in certificates(text).map_err(|why| why.to_string())? {
            roots.add(certificate).map_err(|why| why.to_string())?;
        }
        https_client_trusting(Arc::new(roots)).map(Self).map_err(|why| why.to_string())
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let asked = self.0.request(request);
        let work = async move {
            let (parts, body) = asked.await.map_err(|why| io::Error::other(reasons(&why)))?.into_parts();
            let body: Box<dyn instant_acme::BytesBody> = Box::new(whole(body).await?);
            Ok::<_, io::Error>(BytesResponse { parts, body })
        };
        Box::pin(async move {
            let answered = tokio::time::timeout(PATIENCE, work).await;
            let answered = answered.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            answered.map_err(|why| Error::Other(format!("{host} does not answer: {why}").into()))
        })
    }
}

async fn whole(mut body: Incoming) -> io::Result<Bytes> {
    let mut all = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        all.extend_from_slice(&frame.map_err(io::Error::other)?.into_data().unwrap_or_default());
        if all.len() > MAX_ANSWER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it sends too much"));
        }
    }
    Ok(all.freeze())
}

/// 1 MiB: certificates that lead to an authority have some kilobytes.
const MAX_ANSWER: usize = 1 << 20;
/// 30 s.
const PATIENCE: Duration = Duration::from_secs(30);
