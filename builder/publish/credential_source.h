#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>

#include "publish/signature.h"

namespace imgbuild {

/// Who gives credentials, again and again as they expire.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  /// Those to sign with at 'now', which is AWS's time.
  [[nodiscard]] virtual const AwsCredentials& get(std::time_t now) = 0;
  /// Which those are that get() gave last: another number for other credentials.
  [[nodiscard]] virtual std::uint64_t generation() const = 0;
  /// AWS says that they have expired: gets new ones. False if there are none to get.
  [[nodiscard]] virtual bool renew() = 0;
};

/// Credentials that there are no newer ones of.
class FixedCredentials : public CredentialSource {
 public:
  explicit FixedCredentials(AwsCredentials credentials) : credentials_(std::move(credentials)) {}
  [[nodiscard]] const AwsCredentials& get(std::time_t /*now*/) override { return credentials_; }
  [[nodiscard]] std::uint64_t generation() const override { return 0; }
  [[nodiscard]] bool renew() override { return false; }

 private:
  AwsCredentials credentials_;
};

/// Credentials that are asked for: once when this is made, then as they end. In their last five minutes once a minute, for that may
/// start a program; where it fails then, those at hand are used until AWS refuses them.
class RenewingCredentials : public CredentialSource {
 public:
  using Ask = std::function<AwsCredentials()>;
  /// Throws what 'ask' throws.
  explicit RenewingCredentials(Ask ask) : ask_(std::move(ask)), current_(ask_()) {}
  [[nodiscard]] const AwsCredentials& get(std::time_t now) override;
  [[nodiscard]] std::uint64_t generation() const override { return generation_; }
  [[nodiscard]] bool renew() override;

 private:
  Ask ask_;
  AwsCredentials current_;
  std::uint64_t generation_ = 0;
  std::optional<std::time_t> asked_;  ///< by get()
};

}  // namespace imgbuild
