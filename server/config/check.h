// `ringserve check FILE`: reads a configuration as a start would, looks whether what it names is
// there, and says everything that is wrong. Serves nothing, changes nothing.
#pragma once

namespace ringserve::config {

// The command line from "check" on. 0: the file is good, and stdout says what it asks for; 2: it is
// not, and stderr says why.
int check(int argc, char** argv);

}  // namespace ringserve::config
