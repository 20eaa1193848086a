//! Looks up the stores that people name.

use crate::failure::Failed;
use model::StoreId;
use store::Store;

/// The store that a person named. Fails with exit code 1 if there is none.
pub(crate) async fn find(store: &Store, name: &str) -> Result<StoreId, Failed> {
    let id = StoreId::new(name).map_err(|error| Failed::Usage(error.to_string()))?;
    if store.look_over(Some(&id)).await?.stores.is_empty() {
        return Err(Failed::Other(format!("there is no store {id}")));
    }
    Ok(id)
}

/// The store that a person may have named.
pub(crate) async fn find_any(store: &Store, name: Option<&str>) -> Result<Option<StoreId>, Failed> {
    match name {
        Some(name) => find(store, name).await.map(Some),
        None => Ok(None),
    }
}
