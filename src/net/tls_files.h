#pragma once

#include <string>

#include "base/result.h"

namespace malmoi::net {

// PEM files of a server: its chain and key, and the authorities whose certificates clients have to
// show (empty: clients show none). Whether TLS can be spoken with them: they can be read, and the
// key is the certificate's. Errors: kInvalidArgument naming the file and what is wrong with it.
Status CheckTlsFiles(const std::string& certificate, const std::string& key,
                     const std::string& client_authorities);

}  // namespace malmoi::net
