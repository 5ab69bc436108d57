//! Doing the same to many blobs at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` on every item, at most `jobs` at a time, and returns the results in the items' order.
/// After a failure no further item is begun; items under way are finished first. The first failure by time is returned.
///
/// # Errors
/// What `work` returns for the item that failed first.
pub fn in_parallel<T: Sync, R: Send, E: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(usize, &T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    if items.len() <= 1 || jobs <= 1 {
        return items.iter().enumerate().map(|(n, item)| work(n, item)).collect();
    }
    let next = AtomicUsize::new(0);
    let has_failed = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let slots: Vec<Mutex<&mut Option<R>>> = results.iter_mut().map(Mutex::new).collect();
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(|| {
                while !has_failed.load(Ordering::Relaxed) {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(n) else { break };
                    match work(n, item) {
                        Ok(result) => **slots[n].lock().expect("no holder panics") = Some(result),
                        Err(why) => {
                            has_failed.store(true, Ordering::Relaxed);
                            failure.lock().expect("no holder panics").get_or_insert(why);
                        }
                    }
                }
            });
        }
    });
    drop(slots);
    match failure.into_inner().expect("no holder panics") {
        Some(why) => Err(why),
        None => Ok(results.into_iter().map(|result| result.expect("every item was done")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_items_order() {
        let items: Vec<u32> = (0..50).collect();
        let doubled = in_parallel(&items, 4, |_, n| Ok::<_, ()>(n * 2)).unwrap();
        assert_eq!(doubled, items.iter().map(|n| n * 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_failure_stops_what_has_not_begun() {
        let begun = AtomicUsize::new(0);
        let items: Vec<u32> = (0..1000).collect();
        let result = in_parallel(&items, 2, |_, n| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *n == 3 { Err("three") } else { Ok(()) }
        });
        assert_eq!(result, Err("three"));
        assert!(begun.into_inner() < 1000);
    }
}
