# Makes a .cc file that holds text files as string constants, at build time:
#   cmake -DOUTPUT=x.cc -DHEADER=x.h -DNAMESPACE=a::b -DFILES=kName=file,kName=file -P embed.cmake
# The header declares the constants. It must be given text without the delimiter of the raw string.
set(delimiter "embedded")
set(text "// Generated from text files by cmake/embed.cmake; edit those.\n")
string(APPEND text "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
string(REPLACE "," ";" pairs "${FILES}")
foreach(pair IN LISTS pairs)
  string(REGEX MATCH "^([^=]+)=(.+)$" matched "${pair}")
  set(name "${CMAKE_MATCH_1}")
  set(file "${CMAKE_MATCH_2}")
  file(READ "${file}" content)
  string(FIND "${content}" ")${delimiter}\"" found)
  if(NOT found EQUAL -1)
    message(FATAL_ERROR "${file} contains )${delimiter}\", which ends the raw string")
  endif()
  string(APPEND text
         "\nconst std::string_view ${name} = R\"${delimiter}(${content})${delimiter}\";\n")
endforeach()
string(APPEND text "\n}  // namespace ${NAMESPACE}\n")
file(WRITE "${OUTPUT}" "${text}")
