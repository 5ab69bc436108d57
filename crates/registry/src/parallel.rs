//! Reading many small objects: a bucket answers sixteen questions in the time of one.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// Does work on each of several things, [`AT_ONCE`] at a time, and gives what came of it in their order.
///
/// # Errors
/// The first failure; what is under way then is dropped.
pub(crate) async fn each<I, F, T, E>(items: impl IntoIterator<Item = I>, work: impl Fn(I) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    stream::iter(items).map(work).buffered(AT_ONCE).try_collect().await
}

/// 16: what one connection after the other would take sixteen times as long for, and no service minds.
const AT_ONCE: usize = 16;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn all_is_done_in_order_and_not_all_at_once() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |n: usize| {
            let (now, most) = (&now, &most);
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..(n * 7 % 5) {
                    tokio::task::yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                if n < 1000 { Ok(n) } else { Err(n) }
            }
        };
        assert_eq!(each(0..100, work).await, Ok((0..100).collect()));
        assert_eq!(each(0..0, work).await, Ok(Vec::new()));
        assert!((2..=AT_ONCE).contains(&most.load(Ordering::SeqCst)), "{most:?}");
        assert_eq!(each(998..2000, work).await, Err(1000));
    }
}
