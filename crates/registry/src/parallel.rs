//! Reading many small objects: a bucket answers sixteen questions in the time of one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::Poll;

/// Does work on each of several things, [`AT_ONCE`] at a time, and gives what came of it in their order.
///
/// # Errors
/// The first failure; what is under way then is dropped.
pub(crate) async fn each<I, F, T, E>(items: impl IntoIterator<Item = I>, work: impl Fn(I) -> F) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut items = items.into_iter();
    let mut working: VecDeque<Working<F, T>> = VecDeque::with_capacity(AT_ONCE);
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        loop {
            while working.len() < AT_ONCE {
                let Some(item) = items.next() else { break };
                working.push_back(Working::At(Box::pin(work(item))));
            }
            for one in &mut working {
                if let Working::At(future) = one
                    && let Poll::Ready(ended) = future.as_mut().poll(cx)
                {
                    match ended {
                        Ok(value) => *one = Working::Done(value),
                        Err(why) => return Poll::Ready(Err(why)),
                    }
                }
            }
            let before = done.len();
            while let Some(one) = working.pop_front() {
                match one {
                    Working::Done(value) => done.push(value),
                    at @ Working::At(_) => {
                        working.push_front(at);
                        break;
                    }
                }
            }
            if working.is_empty() && done.len() == before {
                return Poll::Ready(Ok(()));
            }
            // New ones are only begun in the place of old ones, and have to be asked once.
            if done.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await?;
    Ok(done)
}

enum Working<F, T> {
    At(Pin<Box<F>>),
    Done(T),
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
