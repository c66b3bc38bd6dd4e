#include "base/fetch.h"

#include <algorithm>
#include <cstdlib>

#include "base/download_cache.h"
#include "base/release_index.h"
#include "base/signature.h"
#include "base/transfer.h"
#include "util/digest.h"
#include "util/error.h"

namespace imgbuild {
namespace fs = std::filesystem;
namespace {

constexpr ByteSize kLongestIndex = 64_MiB;
constexpr ByteSize kLongestChecksums = 1_MiB;
constexpr ByteSize kLongestSignature = 64_KiB;
constexpr ByteSize kLargestImage = 4_GiB;

using AllowOld = FetchOptions::AllowOld;

std::string base_url(const BaseSource& source, const FetchOptions& options) {
  std::string url = options.mirror.empty() ? source.base_url : options.mirror;
  if (!url.starts_with("https://"))
    throw Error(ExitCode::bad_input, "mirror '{}': only https is allowed", url);
  if (!url.ends_with('/')) url += '/';
  return url;
}

TransferSettings transfer_settings(const BaseSource& source, const FetchOptions& options) {
  return {.ca_file = options.ca_file,
          .proxy = options.proxy,
          .stall_timeout = options.stall_timeout,
          .retry_delay = options.retry_delay,
          .other_hosts = source.other_hosts};
}

void require_sound_options(const BaseSource& source, const FetchOptions& options) {
  if (!options.pinned_sha256.empty() && !is_sha256(options.pinned_sha256)) {
    throw Error(ExitCode::bad_input, "pinned digest '{}': is no SHA-256 (64 lower-case hex digits)",
                options.pinned_sha256);
  }
  if (!options.serial.empty() && !parse_serial(options.serial)) {
    throw Error(ExitCode::bad_input, "serial '{}': is not like 20240423, 20240423.1 or 20231013-1532",
                options.serial);
  }
  const bool is_pinned = !options.pinned_sha256.empty() && !options.serial.empty();
  if (source.trust == BaseSource::Trust::pinned_digest && !is_pinned) {
    throw Error(
        ExitCode::verification_failed,
        "base '{}': its publisher signs nothing, so only a serial with a SHA-256 pinned by you is accepted",
        source.name)
        .set_hint(fmt::format(
            "choose a serial at {}, have its image's SHA-256 from somebody you trust, and give both",
            source.base_url));
  }
}

/// One fetch of one source.
class Fetch {
 public:
  Fetch(const BaseSource& source, const FetchOptions& options, CommandRunner& runner, Status& status)
      : source_(source),
        options_(options),
        runner_(runner),
        status_(status),
        base_url_(base_url(source, options)),
        cache_(options.cache, source.name, status),
        record_(cache_.read_record()),
        downloader_(transfer_settings(source, options), status) {}

  VerifiedDisk from_network() {
    return source_.trust == BaseSource::Trust::signed_index ? signed_release() : pinned_image();
  }

  /// The image verified last, if it is the one asked for and recent enough.
  std::optional<VerifiedDisk> from_cache() {
    if (!record_.image || !is_wanted(*record_.image) || is_too_old(*record_.image)) return std::nullopt;
    std::shared_ptr<const io::File> file = cache_.find(record_.image->sha256, status_);
    if (!file) return std::nullopt;
    return disk(*record_.image, std::move(file));
  }

 private:
  [[nodiscard]] bool is_wanted(const VerifiedImage& image) const {
    return (options_.pinned_sha256.empty() || options_.pinned_sha256 == image.sha256) &&
           (options_.serial.empty() || options_.serial == image.serial);
  }

  [[nodiscard]] bool is_older_than_allowed(std::chrono::sys_seconds made) const {
    return std::chrono::system_clock::now() - made > options_.max_age;
  }

  [[nodiscard]] bool is_too_old(const VerifiedImage& image) const {
    if (image.signer.empty() || options_.allow_old == AllowOld::yes) return false;
    return is_older_than_allowed(std::chrono::sys_seconds(std::chrono::seconds(image.statement_time)));
  }

  VerifiedDisk disk(const VerifiedImage& image, std::shared_ptr<const io::File> file) const {
    return {.path = cache_.image_path(image.sha256),
            .sha256 = image.sha256,
            .serial = image.serial,
            .url = image.url,
            .signer = image.signer,
            .size = image.size,
            .file = std::move(file)};
  }

  std::string get(const std::string& url, ByteSize limit) {
    std::optional<std::string> text = downloader_.get_text(url, limit);
    if (!text) {
      throw Error(ExitCode::network, "{}: the server has no such file", url)
          .set_hint("is the mirror complete?");
    }
    return *text;
  }

  VerifiedDisk signed_release() {
    const io::TemporaryDirectory work(options_.cache / "work", "verify");
    const SignatureVerifier verifier(source_.key, work.path(), runner_);
    status_.begin(fmt::format("looking for the newest {}", source_.name));
    const std::string index_url = base_url_ + source_.index_path;
    const SignedText index = verifier.clear_signed(get(index_url, kLongestIndex), index_url);
    const std::vector<Release> releases = parse_release_index(index.text, source_, index_url);
    require_recent(index_url, index.signature, releases.back());
    const Release release = choose(releases, index_url);
    status_.end(fmt::format("serial {}", release.serial_text));
    const VerifiedImage image{.serial = release.serial_text,
                              .sha256 = release.sha256,
                              .size = release.size,
                              .url = base_url_ + release.path,
                              .signer = index.signature.signer,
                              .statement_time = index.signature.made.time_since_epoch().count()};
    if (std::shared_ptr<const io::File> file = cache_.find(image.sha256, status_))
      return remember(image, std::move(file));
    require_listed(verifier, release);
    return remember(image, download(image, {image.size, ExpectedSize::Exact::yes}));
  }

  /// Refuses an index that is older than one seen before, or than max_age; remembers the newest serial
  /// otherwise.
  void require_recent(const std::string& url, const Signature& signature, const Release& newest) {
    const std::optional<Serial> highest = parse_serial(record_.highest_serial);
    const bool is_rolled_back = highest && newest.serial < *highest;
    const auto refuse = [&](const std::string& message) {
      if (options_.allow_old == AllowOld::no) {
        throw Error(ExitCode::verification_failed, "{}", message).set_hint("--allow-old accepts it");
      }
      status_.note(fmt::format("{}, allowed by --allow-old", message));
    };
    if (is_rolled_back) {
      refuse(fmt::format("{}: its newest serial is {}, but {} was seen before", url, newest.serial_text,
                         record_.highest_serial));
    }
    if (is_older_than_allowed(signature.made)) {
      refuse(fmt::format("{}: was signed more than {} days ago", url, options_.max_age.count() / 24));
    }
    if (highest && newest.serial <= *highest) return;
    record_.highest_serial = newest.serial_text;
    cache_.write_record(record_);
  }

  [[nodiscard]] Release choose(const std::vector<Release>& releases, const std::string& url) const {
    const auto found = std::find_if(releases.rbegin(), releases.rend(), [this](const Release& release) {
      return (options_.pinned_sha256.empty() || options_.pinned_sha256 == release.sha256) &&
             (options_.serial.empty() || options_.serial == release.serial_text);
    });
    if (found != releases.rend()) return *found;
    throw Error(
        ExitCode::verification_failed, "{}: has no release of '{}'{}{}", url, source_.name,
        options_.serial.empty() ? "" : fmt::format(" with serial {}", options_.serial),
        options_.pinned_sha256.empty() ? "" : fmt::format(" with SHA-256 '{}'", options_.pinned_sha256))
        .set_hint(fmt::format("the newest is serial {} with SHA-256 '{}'", releases.back().serial_text,
                              releases.back().sha256));
  }

  /// The second statement: the signed SHA256SUMS beside the image must say the same.
  void require_listed(const SignatureVerifier& verifier, const Release& release) {
    const std::size_t slash = release.path.rfind('/');
    const std::string name = slash == std::string::npos ? release.path : release.path.substr(slash + 1);
    const std::string url =
        base_url_ + release.path.substr(0, release.path.size() - name.size()) + "SHA256SUMS";
    const std::string sums = get(url, kLongestChecksums);
    const std::optional<std::string> signature = downloader_.get_text(url + ".gpg", kLongestSignature);
    if (!signature) {
      throw Error(ExitCode::verification_failed,
                  "{}.gpg: the server has no such file, and nothing is accepted unsigned", url);
    }
    (void)verifier.detached(sums, *signature, url);  // which key it was is settled: the pinned one
    const std::map<std::string, std::string> digests = parse_checksums(sums, url);
    const auto digest = digests.find(name);
    if (digest == digests.end())
      throw Error(ExitCode::verification_failed, "{}: does not list '{}'", url, name);
    if (digest->second != release.sha256) {
      throw Error(ExitCode::verification_failed, "{}: says SHA-256 '{}' of '{}', but the index says '{}'",
                  url, digest->second, name, release.sha256);
    }
  }

  VerifiedDisk pinned_image() {
    std::string path = source_.image_path;
    constexpr std::string_view kPlace = "{serial}";
    for (std::size_t at; (at = path.find(kPlace)) != std::string::npos;)
      path.replace(at, kPlace.size(), options_.serial);
    VerifiedImage image{.serial = options_.serial, .sha256 = options_.pinned_sha256, .url = base_url_ + path};
    std::shared_ptr<const io::File> file = cache_.find(image.sha256, status_);
    if (!file) file = download(image, {kLargestImage, ExpectedSize::Exact::no});
    image.size = {fs::file_size(cache_.image_path(image.sha256))};
    return remember(image, std::move(file));
  }

  void require_space(const VerifiedImage& image, const PartialFile& part) const {
    const std::uint64_t missing = image.size.bytes - std::min(image.size.bytes, part.size());
    const ByteSize free = io::free_space(cache_.folder());
    if (free.bytes >= missing) return;
    throw Error(ExitCode::host_unfit, "{}: {} are needed, {} are free", cache_.folder().native(),
                format_byte_size({missing}), format_byte_size(free));
  }

  std::shared_ptr<const io::File> download(const VerifiedImage& image, const ExpectedSize& expected) {
    PartialFile part(cache_.prepare_part(image.sha256));
    const bool was_begun = part.size() > 0;
    require_space(image, part);
    status_.begin(fmt::format("downloading {} {}", source_.name, image.serial));
    try {
      downloader_.get_file(image.url, part, expected);
      std::string digest = part.sha256();
      if (digest != image.sha256 && was_begun) {
        status_.note(fmt::format("{}: what an earlier run left of it was wrong, starting over", image.url));
        part.restart("");
        downloader_.get_file(image.url, part, expected);
        digest = part.sha256();
      }
      if (digest != image.sha256) {
        throw Error(ExitCode::verification_failed, "{}: has the SHA-256 '{}', but '{}' is expected",
                    image.url, digest, image.sha256);
      }
    } catch (const Error& error) {
      if (error.code() == ExitCode::verification_failed || part.size() == 0) part.discard();
      throw;
    }
    status_.end(format_byte_size({part.size()}));
    return std::make_shared<const io::File>(std::move(part).publish(cache_.image_path(image.sha256)));
  }

  VerifiedDisk remember(const VerifiedImage& image, std::shared_ptr<const io::File> file) {
    if (record_.image != image) {
      record_.image = image;
      cache_.write_record(record_);
    }
    return disk(image, std::move(file));
  }

  const BaseSource& source_;
  const FetchOptions& options_;
  CommandRunner& runner_;
  Status& status_;
  std::string base_url_;
  DownloadCache cache_;
  BaseRecord record_;
  Downloader downloader_;
};

}  // namespace

void apply_environment(FetchOptions& options) {
  const auto value = [](const char* name) {
    const char* found = std::getenv(name);
    return std::string(found == nullptr ? "" : found);
  };
  if (options.mirror.empty()) options.mirror = value("IMGBUILD_MIRROR");
  if (options.ca_file.empty()) options.ca_file = value("IMGBUILD_CA_FILE");
  if (options.ca_file.empty()) options.ca_file = value("SSL_CERT_FILE");
}

VerifiedDisk fetch(const BaseSource& source, const FetchOptions& options, CommandRunner& runner,
                   Status& status) {
  require_sound_options(source, options);
  Fetch work(source, options, runner, status);
  if (options.network == FetchOptions::Network::no) {
    if (std::optional<VerifiedDisk> cached = work.from_cache()) return *cached;
    throw Error(ExitCode::network, "base '{}': is not in the cache, and the network is not to be used",
                source.name);
  }
  try {
    return work.from_network();
  } catch (const Error& error) {
    if (error.code() != ExitCode::network) throw;
    const std::optional<VerifiedDisk> cached = work.from_cache();
    if (!cached) throw;
    status.note(
        fmt::format("{}; using serial {} of '{}' from the cache", error.what(), cached->serial, source.name));
    return *cached;
  }
}

}  // namespace imgbuild
