#include "base/transfer.h"

#include <charconv>
#include <thread>

#include "util/error.h"
#include "util/interrupt.h"

namespace imgbuild {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kProgressInterval{100};

/// "bytes 100-299/300"; nothing for any other form.
struct ContentRange {
  std::uint64_t first = 0;
  std::uint64_t total = 0;
};

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const auto number = [&text](std::string_view after) -> std::optional<std::uint64_t> {
    std::uint64_t value = 0;
    const auto [next, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    text.remove_prefix(static_cast<std::size_t>(next - text.data()));
    if (error != std::errc() || !text.starts_with(after)) return std::nullopt;
    text.remove_prefix(after.size());
    return value;
  };
  const std::optional<std::uint64_t> first = number("-");
  const std::optional<std::uint64_t> last = first ? number("/") : std::nullopt;
  const std::optional<std::uint64_t> total = last ? number("") : std::nullopt;
  if (!total || !text.empty() || *first > *last || *last + 1 != *total) return std::nullopt;
  return ContentRange{*first, *total};
}

bool may_pass(long status) { return status == 429 || status / 100 == 5; }

[[noreturn]] void refuse_status(const std::string& url, long status) {
  if (may_pass(status)) throw Transient{fmt::format("{}: the server answers with status {}", url, status)};
  throw Error(ExitCode::network, "{}: the server answers with status {}", url, status);
}

/// What no file of ours is: a web page (a portal that wants a login), or compressed on the way.
void require_plain_file(const std::string& url, const Head& head) {
  if (head.content_type.starts_with("text/html")) {
    throw Error(ExitCode::network, "{}: the server answers with a web page instead of the file", url)
        .set_hint("a portal or proxy between here and the server may want a login");
  }
  if (!head.content_encoding.empty() && head.content_encoding != "identity") {
    throw Error(ExitCode::verification_failed, "{}: the server sends the file compressed with '{}'", url,
                printable(head.content_encoding));
  }
}

/// What an answer brings to a file, checked before a byte of it is written.
void accept_head(const std::string& url, PartialFile& file, const ExpectedSize& expected, const Head& head) {
  require_plain_file(url, head);
  std::optional<std::uint64_t> total = head.length;
  if (head.status == 206) {
    const std::optional<ContentRange> range = parse_content_range(head.content_range);
    if (!range || range->first != file.size()) {
      file.restart("");
      throw Transient{fmt::format("{}: the server sends another part than asked for", url)};
    }
    total = range->total;
  } else {
    file.restart(head.etag.starts_with("W/")
                     ? ""
                     : head.etag);  // all of it comes: first time, changed, or no ranges there
  }
  if (total && expected.exact == ExpectedSize::Exact::yes && *total != expected.most.bytes) {
    throw Error(ExitCode::verification_failed, "{}: the server has {} bytes, but {} were published", url,
                *total, expected.most.bytes);
  }
  if (total && *total > expected.most.bytes) {
    throw Error(ExitCode::verification_failed, "{}: is longer than {}", url, format_byte_size(expected.most));
  }
}

/// Passes progress on, but not for each of the many small pieces.
class Progress {
 public:
  Progress(Status& status, std::uint64_t total) : status_(status), total_(total) {}
  void show(std::uint64_t done) {
    const Clock::time_point now = Clock::now();
    if (done != total_ && now - shown_ < kProgressInterval) return;
    shown_ = now;
    status_.progress(done, total_, format_byte_size({done}));
  }

 private:
  Status& status_;
  std::uint64_t total_;
  Clock::time_point shown_{};
};

void pause(std::chrono::milliseconds duration) {
  const Clock::time_point end = Clock::now() + duration;
  while (Clock::now() < end) {
    check_interrupt();
    std::this_thread::sleep_for(std::min(duration, std::chrono::milliseconds(50)));
  }
}

}  // namespace

void Downloader::retry(const std::function<void()>& attempt) {
  std::chrono::milliseconds delay = settings_.retry_delay;
  for (int number = 1;; ++number) {
    try {
      return attempt();
    } catch (const Transient& failure) {
      if (number == kAttempts) {
        throw Error(ExitCode::network, "{}", failure.message)
            .set_hint("check the network, https_proxy, or name a mirror with --mirror or IMGBUILD_MIRROR");
      }
      status_.note(fmt::format("{}, trying again", failure.message));
    }
    pause(delay);
    delay *= 2;
  }
}

std::optional<std::string> Downloader::get_text(const std::string& url, ByteSize limit) {
  std::string text;
  const auto refuse_longer = [&](std::uint64_t size) {
    if (size > limit.bytes)
      throw Error(ExitCode::verification_failed, "{}: is longer than {}", url, format_byte_size(limit));
  };
  long status = 0;
  retry([&] {
    text.clear();
    const Query query{.on_head =
                          [&](const Head& head) {
                            require_plain_file(url, head);
                            refuse_longer(head.length.value_or(0));
                          },
                      .on_bytes =
                          [&](std::string_view bytes) {
                            text += bytes;
                            refuse_longer(text.size());
                          }};
    status = connection_.request(url, query).status;
    if (status != 200 && status != 404 && status != 410) refuse_status(url, status);
  });
  if (status != 200) return std::nullopt;
  return text;
}

void Downloader::get_file(const std::string& url, PartialFile& file, const ExpectedSize& expected) {
  const bool is_exact = expected.exact == ExpectedSize::Exact::yes;
  Progress progress(status_, is_exact ? expected.most.bytes : 0);
  const auto append = [&](std::string_view bytes) {
    if (file.size() + bytes.size() > expected.most.bytes) {
      throw Error(ExitCode::verification_failed, "{}: the server sends more than the {}", url,
                  is_exact ? fmt::format("{} bytes published", expected.most.bytes)
                           : fmt::format("{} allowed", format_byte_size(expected.most)));
    }
    file.append(bytes);
    progress.show(file.size());
  };
  retry([&] {
    if (is_exact && file.size() == expected.most.bytes) return;
    const Query query{.offset = file.size(),
                      .etag = file.etag(),
                      .on_head = [&](const Head& head) { accept_head(url, file, expected, head); },
                      .on_bytes = append};
    const long status = connection_.request(url, query).status;
    if (status == 416) {
      file.restart("");
      throw Transient{fmt::format("{}: the server does not know the part asked for", url)};
    }
    if (status != 200 && status != 206) refuse_status(url, status);
    if (is_exact && file.size() != expected.most.bytes) {
      throw Transient{fmt::format("{}: ended after {} of {} bytes", url, file.size(), expected.most.bytes)};
    }
  });
}

}  // namespace imgbuild
