//! Placement of the streams on servers.

use crate::{Bus, BusError};

/// The servers that hold one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The stream.
    pub stream: String,
    /// The server that orders its messages; `None` while one is being elected.
    pub leader: Option<String>,
    /// The servers that follow.
    pub followers: Vec<Follower>,
}

/// A server that follows a stream's leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// The server's name.
    pub server: String,
    /// True if it has everything that the leader has.
    pub is_current: bool,
    /// True if it can't be reached.
    pub is_offline: bool,
    /// Number of operations that it lacks.
    pub behind: u64,
}

impl Placement {
    /// Returns true if the stream may lose one server and stays available.
    pub fn is_whole(&self) -> bool {
        self.leader.is_some() && self.followers.iter().all(|it| it.is_current && !it.is_offline)
    }
}

impl Bus {
    /// Placements of the declared streams, as their leaders report them; none if the broker is a single server.
    pub async fn placements(&self) -> Result<Vec<Placement>, BusError> {
        let mut placements = Vec::new();
        for declared in self.layout().streams() {
            let info = self.stream_info(&declared.name).await?;
            let Some(cluster) = info.and_then(|info| info.cluster) else { continue };
            let followers = cluster.replicas.into_iter().map(|peer| Follower {
                server: peer.name,
                is_current: peer.current,
                is_offline: peer.offline,
                behind: peer.lag.unwrap_or_default(),
            });
            placements.push(Placement {
                stream: declared.name,
                leader: cluster.leader.filter(|leader| !leader.is_empty()),
                followers: followers.collect(),
            });
        }
        Ok(placements)
    }
}
