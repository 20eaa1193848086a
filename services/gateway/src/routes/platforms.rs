//! The platforms that stores can be connected to.

use crate::{
    access::Access,
    problem::{Problem, Refusals},
};
use axum::Json;
use model::{MirrorKind, Permission};
use platforms::Platform;
use serde::Serialize;
use utoipa::ToSchema;

/// A platform, by what it can do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platform)]
pub(crate) struct PlatformBody {
    /// Its name, as connections have it.
    name: &'static str,
    /// True if it sends webhooks.
    webhooks: bool,
    /// The lists that are read on a schedule.
    lists: Vec<&'static str>,
    /// The kinds of values that are written to it.
    writes: Vec<&'static str>,
}

/// All platforms.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Platforms)]
pub(crate) struct PlatformsBody {
    /// The platforms, by name.
    items: Vec<PlatformBody>,
}

/// Lists the platforms, by what they can do.
#[utoipa::path(
    get, path = "/v1/platforms", tag = "platforms", operation_id = "listPlatforms",
    responses((status = 200, body = PlatformsBody), Refusals),
)]
pub(crate) async fn list(access: Access) -> Result<Json<PlatformsBody>, Problem> {
    access.need(Permission::ReadStores)?;
    Ok(Json(PlatformsBody { items: platforms::all().iter().map(|platform| described(*platform)).collect() }))
}

fn described(platform: &dyn Platform) -> PlatformBody {
    let collections = platform.collections().map_or(&[][..], |lists| lists.all());
    PlatformBody {
        name: platform.name(),
        webhooks: platform.webhooks().is_some(),
        lists: collections.iter().map(|collection| collection.name).collect(),
        writes: MirrorKind::ALL
            .into_iter()
            .filter(|kind| platform.write_limits(*kind).is_some())
            .map(MirrorKind::as_str)
            .collect(),
    }
}
