//! Getting a certificate: an order, proofs, a certificate. Source: RFC 8555, 7.4.

use std::time::Duration;

use instant_acme::{
    AccountBuilder, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order, OrderStatus,
    RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use wharfie_oci::Digest;

use super::client::Http;
use super::name::Name;
use super::record::{Account, Kept};
use super::{Acme, Options};
use crate::key::Key;
use crate::name::ProofName;
use crate::record;
use crate::storage::Storage;

/// Gets a certificate and the key to it. What proves the names is in the storage meanwhile, for any server to show.
///
/// # Errors
/// Why there is none, for the log: no keys are in it.
pub(super) async fn order(storage: &Storage, acme: &Acme) -> Result<Kept, String> {
    let mut proofs = Vec::new();
    let ordering = get(storage, acme, &mut proofs);
    let ordered = tokio::time::timeout(PATIENCE, ordering).await;
    for proof in proofs {
        // What stays is of no use to anybody, and of no harm.
        let _left = storage.delete(proof).await;
    }
    ordered.unwrap_or_else(|_| Err("it takes too long".to_owned()))
}

async fn get(storage: &Storage, acme: &Acme, proofs: &mut Vec<Key>) -> Result<Kept, String> {
    let options = &acme.options;
    let identifier = |name: &Name| match name {
        Name::Dns(name) => Identifier::Dns(name.clone()),
        Name::Ip(address) => Identifier::Ip(*address),
    };
    let identifiers: Vec<Identifier> = options.names.iter().map(identifier).collect();
    let account = account(storage, options).await?;
    let mut order = match account.new_order(&NewOrder::new(&identifiers)).await {
        Err(why) if is_unknown_account(&why) => {
            // The authority has forgotten us, or was another one when we met.
            storage.delete(account_key(options)).await.map_err(|why| why.told())?;
            let account = self::account(storage, options).await?;
            account.new_order(&NewOrder::new(&identifiers)).await.map_err(told)?
        }
        ordered => ordered.map_err(told)?,
    };
    prove(storage, acme, &mut order, proofs).await?;
    let retries = RetryPolicy::new().initial_delay(acme.unit.min(FIRST_LOOK)).timeout(PATIENCE);
    match order.poll_ready(&retries).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(why_refused(&mut order).await),
        // An order that is refused says less of it than the names that it is for.
        Err(Error::Api(_)) => return Err(why_refused(&mut order).await),
        Err(why) => return Err(told(why)),
    }
    let key = KeyPair::generate().map_err(|why| why.to_string())?;
    let names: Vec<String> = options.names.iter().map(Name::to_string).collect();
    let mut wanted = CertificateParams::new(names).map_err(|why| why.to_string())?;
    wanted.distinguished_name = DistinguishedName::new();
    let request = wanted.serialize_request(&key).map_err(|why| why.to_string())?;
    order.finalize_csr(request.der()).await.map_err(told)?;
    let certificates = order.poll_certificate(&retries).await.map_err(told)?;
    let kept = Kept::new(certificates, key.serialized_der()).ok_or("it sends no certificate")?;
    kept.shown().map_err(|why| format!("what it sends cannot be used: {why}"))?;
    Ok(kept)
}

/// Shows the authority that the names are ours.
async fn prove(storage: &Storage, acme: &Acme, order: &mut Order, proofs: &mut Vec<Key>) -> Result<(), String> {
    let (kind, told_kind) = match acme.is_proven_by_tls() {
        true => (ChallengeType::TlsAlpn01, "TLS-ALPN-01"),
        false => (ChallengeType::Http01, "HTTP-01"),
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(told)?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            status => return Err(format!("{} is {status:?} there", authorization.identifier())),
        }
        let name = Name::parse(&authorization.identifier().to_string());
        let no_such = || format!("it does not offer {told_kind}");
        let mut challenge = authorization.challenge(kind.clone()).ok_or_else(no_such)?;
        let proof = match acme.is_proven_by_tls() {
            true => name.and_then(|name| ProofName::parse(&name.greeting())).map(|name| Key::acme_greeting(&name)),
            false => ProofName::parse(&challenge.token).map(|name| Key::acme_token(&name)),
        };
        let proof = proof.ok_or("what it wants proven has no name that we know")?;
        proofs.push(proof.clone());
        let words = challenge.key_authorization().as_str().as_bytes().to_vec();
        storage.put(proof, words).await.map_err(|why| why.told())?;
        challenge.set_ready().await.map_err(told)?;
    }
    Ok(())
}

/// What the authority says of the names that it does not believe.
async fn why_refused(order: &mut Order) -> String {
    let mut reasons = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let errors = authorization.challenges.iter().filter_map(|challenge| challenge.error.as_ref());
        reasons.extend(errors.map(|error| format!("{name}: {}", error.detail.as_deref().unwrap_or("no reason given"))));
    }
    if reasons.is_empty() { "it refuses, and does not say why".to_owned() } else { reasons.join("; ") }
}

/// The account that this storage has, or a new one.
async fn account(storage: &Storage, options: &Options) -> Result<instant_acme::Account, String> {
    let new = || Http::new(options.authorities.as_deref()).map(builder);
    let key = account_key(options);
    let contacts: Vec<&str> = options.contacts.iter().map(String::as_str).collect();
    if let Some(stored) = storage.get(&key).await.map_err(|why| why.told())? {
        let known: Account = record::parse(&stored.bytes, key.as_str()).map_err(|why| why.told())?;
        let is_same = known.contacts == options.contacts;
        let account = new()?.from_credentials(known.credentials).await.map_err(told)?;
        if !is_same && account.update_contacts(&contacts).await.is_ok() {
            // What it is restored from cannot be had back from it.
            let known: Account = record::parse(&stored.bytes, key.as_str()).map_err(|why| why.told())?;
            let known = Account { contacts: options.contacts.clone(), ..known };
            storage.put(key, record::bytes(&known)).await.map_err(|why| why.told())?;
        }
        return Ok(account);
    }
    let wanted = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
    let created = new()?.create(&wanted, options.directory.clone(), None).await;
    let (account, credentials) = created.map_err(told)?;
    let known = Account { contacts: options.contacts.clone(), credentials };
    storage.put(key, record::bytes(&known)).await.map_err(|why| why.told())?;
    Ok(account)
}

fn builder(http: Http) -> AccountBuilder {
    instant_acme::Account::builder_with_http(Box::new(http))
}

fn account_key(options: &Options) -> Key {
    Key::acme_account(&Digest::of(options.directory.as_bytes()))
}

/// Source: RFC 8555, 6.7.
fn is_unknown_account(why: &Error) -> bool {
    matches!(why, Error::Api(problem) if problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:accountDoesNotExist"))
}

/// An error's words, without those that say only that it is one.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn told(why: Error) -> String {
    match &why {
        Error::Api(problem) => problem.detail.clone().unwrap_or_else(|| problem.to_string()),
        Error::Json(_) => format!("it does not speak ACME: {why}"),
        why => why.to_string(),
    }
}

/// 5 min for an order: authorities look at names from several places, and more than once.
const PATIENCE: Duration = Duration::from_secs(300);
/// 1 s until it is looked at first, then longer and longer.
const FIRST_LOOK: Duration = Duration::from_secs(1);
