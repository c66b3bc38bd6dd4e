#pragma once

namespace imgbuild {

/// Makes this process root of a new user namespace: our user is root in it, and the user's sub-uids and sub-gids
/// (/etc/subuid, /etc/subgid; at least 65535 each) are the ids from 1 on. Files made afterwards with other owners belong
/// to sub-uids outside. Does nothing for root. The process must have one thread. Uses newuidmap and newgidmap.
/// Throws Error (host unfit) with the cure if the host forbids it or has no sub-ids for us.
void enter_user_namespace();

}  // namespace imgbuild
