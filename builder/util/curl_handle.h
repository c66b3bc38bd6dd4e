#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

namespace imgbuild {

struct FreeCurl {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};
struct FreeCurlMulti {  // of its own: CURL and CURLM are both void
  void operator()(CURLM* multi) const { (void)curl_multi_cleanup(multi); }
};

using EasyHandle = std::unique_ptr<CURL, FreeCurl>;
using MultiHandle = std::unique_ptr<CURLM, FreeCurlMulti>;
using UrlHandle = std::unique_ptr<CURLU, FreeCurl>;
using HeaderList = std::unique_ptr<curl_slist, FreeCurl>;

struct Url {
  std::string whole, scheme, host, port;
};

/// The parts of 'reference', which may be relative to 'base'. All are empty when it is no URL.
[[nodiscard]] inline Url parse_url(const std::string& base, const std::string& reference) {
  const UrlHandle handle(curl_url());
  for (const std::string& text : {base, reference}) {
    if (curl_url_set(handle.get(), CURLUPART_URL, text.c_str(), CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK)
      return {};
  }
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(handle.get(), which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return std::string();
    const std::unique_ptr<char, FreeCurl> owner(text);
    return std::string(text);
  };
  return {part(CURLUPART_URL), part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT)};
}

}  // namespace imgbuild
