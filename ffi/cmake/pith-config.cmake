# find_package(pith) gives pith::pith, the shared library, and pith::static.
get_filename_component(_pith_libdir "${CMAKE_CURRENT_LIST_DIR}/../.." ABSOLUTE)
get_filename_component(_pith_prefix "${_pith_libdir}/@up@" ABSOLUTE)

if(NOT TARGET pith::pith)
    add_library(pith::pith SHARED IMPORTED)
    set_target_properties(pith::pith PROPERTIES
        IMPORTED_LOCATION "${_pith_libdir}/libpith.so.0"
        IMPORTED_SONAME "libpith.so.0"
        INTERFACE_INCLUDE_DIRECTORIES "${_pith_prefix}/include")
endif()

if(NOT TARGET pith::static)
    add_library(pith::static STATIC IMPORTED)
    set_target_properties(pith::static PROPERTIES
        IMPORTED_LOCATION "${_pith_libdir}/libpith.a"
        INTERFACE_LINK_LIBRARIES "gcc_s;util;rt;pthread;m;dl"
        INTERFACE_INCLUDE_DIRECTORIES "${_pith_prefix}/include")
endif()

unset(_pith_libdir)
unset(_pith_prefix)
