#include "publish/credential_source.h"

#include <cstdlib>

#include "util/error.h"

namespace imgbuild {
namespace {

constexpr std::time_t kRenewBefore_s = 300;
constexpr std::time_t kAskAgain_s = 60;

}  // namespace

const AwsCredentials& RenewingCredentials::get(std::time_t now) {
  if (!current_.expires || *current_.expires - now >= kRenewBefore_s) return current_;
  if (asked_ && std::abs(now - *asked_) < kAskAgain_s) return current_;
  asked_ = now;
  try {
    (void)renew();
  } catch (const Error&) {  // if they have really ended AWS says so, and renew() tells why there are no others
  }
  return current_;
}

bool RenewingCredentials::renew() {
  AwsCredentials fresh = ask_();
  const bool is_new = fresh.access_key != current_.access_key || fresh.session_token.reveal() != current_.session_token.reveal();
  if (is_new) ++generation_;
  current_ = std::move(fresh);
  return is_new;
}

}  // namespace imgbuild
