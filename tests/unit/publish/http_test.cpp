#include "publish/http.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace imgbuild {
namespace {

/// A port of this machine where connections are taken, and nothing is ever said.
class SilentServer {
 public:
  SilentServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* plain = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd_, plain, size) != 0 || ::listen(fd_, 16) != 0 || ::getsockname(fd_, plain, &size) != 0) throw std::runtime_error("no port");
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

 private:
  int fd_;
  int port_ = 0;
};

TEST(HttpEngine, GivesUpWhatIsSilentLongerThanItHasPatience) {
  const SilentServer server;
  HttpEngine engine;
  std::string ended;
  const auto ask = [&](const std::string& name, std::chrono::milliseconds patience) {
    engine.start({.method = "POST", .url = server.url(), .headers = {}, .body = "", .timeout = std::chrono::seconds(4), .patience = patience},
                 [&ended, name](const HttpAnswer& answer) { ended += name + (answer.status == 0 ? " " : " answered "); });
  };
  ask("patient", std::chrono::seconds(60));  // until the time-out
  ask("impatient", std::chrono::seconds(1));
  while (engine.running() > 0) engine.turn(std::chrono::milliseconds(100));
  EXPECT_EQ(ended, "impatient patient ");
}

TEST(HttpEngine, SpeaksPlainHttpWithThisMachineOnly) {
  HttpEngine engine;
  try {
    engine.start({.method = "GET", .url = "http://aws.example.net/x", .headers = {}, .body = ""}, [](const HttpAnswer&) {});
    FAIL() << "was started";
  } catch (const std::exception& error) {
    EXPECT_STREQ(error.what(), "http://aws.example.net/x: is neither an https address nor one of this machine");
  }
}

}  // namespace
}  // namespace imgbuild
